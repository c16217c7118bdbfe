"""What a framework's observer needs of a run, and the promise that no observer ends a training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("noria.client")


class Told(Protocol):
    """A run, as observers see it; see `noria.client.run.Run`."""

    def log(self, values: Mapping[str, Any] | None = None, /, *, step: int | None = None) -> None: ...  # noqa: D102

    def params(self, values: Mapping[str, Any] | None = None, /) -> Mapping[str, Any]: ...  # noqa: D102

    def tags(self, values: Mapping[str, Any] | None = None, /) -> None: ...  # noqa: D102

    @property
    def id(self) -> str: ...  # noqa: D102

    def keep(self, content: bytes, to: str) -> None:
        """Keep bytes as a file of the run."""
        ...

    def log_text(self, text: str, to: str) -> None: ...  # noqa: D102

    def log_dict(self, content: Any, to: str) -> None: ...  # noqa: D102

    def begin_child(self, name: str, *, clock: Callable[[], int] | None = None) -> Told:
        """Begin a run inside this one, whose clock may be the past's."""
        ...

    def end(self, status: str = ..., /) -> None: ...  # noqa: D102

    def at_end(self, last: Callable[[], None]) -> None:
        """Have something told when the run ends."""
        ...


class Guarded(Generic[P, R]):
    """A function whose errors are told once on the logger and end nothing; goes to other processes if the function does."""

    def __init__(self, observe: Callable[P, R], otherwise: R) -> None:
        self._observe, self._otherwise = observe, otherwise
        self._complained = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it; what it returns, or what to return instead."""
        try:
            return self._observe(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - recorded; whatever an observer meets, the training goes on
            if not self._complained:
                self._complained = True
                name = getattr(self._observe, "__qualname__", self._observe)
                log.warning("%s is not told any further: %s: %s", name, type(error).__name__, error)
            return self._otherwise


def guarded(observe: Callable[P, R], otherwise: R) -> Guarded[P, R]:
    """The function, guarded; `otherwise` is what it returns when it fails."""
    return Guarded(observe, otherwise)


def simple(values: Mapping[str, Any], *, most: int = 100) -> dict[str, Any]:
    """Of parameters those that say something as text, at most so many."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if len(found) >= most:
            break
        if value is None or isinstance(value, (str, int, float, bool)) or type(value).__module__ == "numpy":
            found[name] = value
        elif isinstance(value, (list, tuple, dict, set)) and len(value) <= 20:
            found[name] = repr(value)[:500]
        elif callable(value):
            found[name] = getattr(value, "__name__", type(value).__name__)
    return found


def importance_table(importances: Mapping[str, float]) -> str:
    """Features by how much a model leans on them, as CSV."""
    ordered = sorted(importances.items(), key=lambda one: -abs(one[1]))
    return "feature,importance\n" + "".join(f"{_cell(name)},{value!r}\n" for name, value in ordered)


def _cell(text: object) -> str:
    said = str(text)
    return '"' + said.replace('"', '""') + '"' if any(sign in said for sign in ',"\n\r') else said
