"""What may be told as the outcome of a request: one that nothing can be learnt from is refused where it is told."""

from __future__ import annotations

import re
from math import isfinite

from noria.core.errors import RequestInvalid
from noria.core.schema import Signature, Task
from noria.core.traffic import Scalar

LONGEST_CLASS = 200
"""Most characters of a class name."""

MOST_NUMBERS, LARGEST = 20, 1e15
"""Numbers of the business per outcome at most, and how large one may be."""
NAME = re.compile(r"[A-Za-z][\w.-]{0,59}")

_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def fitting(value: object, signature: Signature | None = None) -> Scalar:
    """The outcome as the log keeps it: 0 or 1 of two classes, a class's name of many, or a number.

    Args:
        value: As it was told.
        signature: Of the champion; without one, any scalar fits.

    Raises:
        RequestInvalid: the value cannot be an outcome of this model; a class that the model has not met can.
    """
    if not isinstance(value, (bool, int, float, str)) or value != value or (isinstance(value, str) and len(value) > LONGEST_CLASS):
        raise _refusal("a number, a bool or a short text")
    if signature is None:
        return value
    return {Task.BINARY: _of_two, Task.MULTICLASS: _of_many}.get(signature.task, _number)(value, signature)


def numbers(told: object) -> dict[str, float]:
    """Numbers of the business that came with an outcome, such as `{"revenue": 3.2}`; none where none were told.

    Raises:
        RequestInvalid: they are no finite numbers of plain names, too many, or too large to be summed.
    """
    if told is None:
        return {}
    if not isinstance(told, dict) or len(told) > MOST_NUMBERS:
        raise RequestInvalid("the metrics are no numbers by name", fields={"metrics": f"must be at most {MOST_NUMBERS} numbers by name"})
    for name, value in told.items():
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise RequestInvalid("a metric's name is not plain", fields={"metrics": "names are up to 60 letters, digits, dashes and dots"})
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not abs(value) <= LARGEST:
            raise RequestInvalid(f"metric {name} is no number that can be summed", fields={f"metrics.{name}": "must be a finite number"})
    return {name: float(value) for name, value in told.items()}


def _of_two(value: Scalar, signature: Signature) -> Scalar:
    named = {name: bool(place) for place, name in enumerate(signature.classes)}
    name = str(_of_many(value, signature))
    found = named.get(name, _TRUTHS.get(name.strip().lower()))
    if found is None:
        told_as = [name for name in signature.classes if name.lower() not in _TRUTHS]
        raise _refusal(" or ".join(["true or false", *told_as]))
    return found


def _of_many(value: Scalar, signature: Signature) -> Scalar:
    """Log and training data name classes by text; 3 and 3.0 are one class."""
    if isinstance(value, str) or str(value) in signature.classes:
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).lower()


def _number(value: Scalar, signature: Signature) -> Scalar:
    del signature
    try:
        found = float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        found = float("nan")
    if isinstance(value, bool) or not isfinite(found):
        raise _refusal("a finite number")
    return found


def _refusal(wanted: str) -> RequestInvalid:
    return RequestInvalid(f"the outcome must be {wanted}", fields={"value": f"must be {wanted}"})
