"""What a call asks: its arguments, read with the errors that MLflow's clients know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rights import LOCAL, Principal

_SEE = "See the API docs for more information about request parameters."


@dataclass(frozen=True, slots=True)
class Fields:
    """The arguments of a call, or one of the objects within them. Names that nobody reads are ignored."""

    values: Mapping[str, Any]
    path: str = ""

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        """A text; within an object or a list a number is taken as its text.

        Raises:
            RequestInvalid: it is required and missing or empty, or it is none.
        """
        value = self.values.get(name)
        if value is None or (required and value == ""):
            if required:
                raise missing(self.path + name)
            return default
        if isinstance(value, str):
            return value
        if self.path and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise invalid(self.path + name, value)

    def integer(self, name: str, default: int | None = None, *, required: bool = False) -> int | None:
        """A whole number of 64 bits, or its text.

        Raises:
            RequestInvalid: it is required and missing, or it is none.
        """
        value = self.values.get(name)
        if value is None or value == "":
            if required:
                raise missing(self.path + name)
            return default
        number = _whole(value)
        if number is None:
            raise invalid(self.path + name, value)
        return number

    def count(self, name: str, default: int, *, most: int) -> int:
        """A limit of results, from 1 to `most`.

        Raises:
            RequestInvalid: it is not.
        """
        number = self.integer(name, default)
        assert number is not None
        if not 1 <= number <= most:
            raise RequestInvalid(
                f"Invalid value {number} for parameter '{name}' supplied: It must be at least 1 and at most {most}, but got value {number}"
            )
        return number

    def number(self, name: str) -> float:
        """A required number, or its text: "NaN" and "Infinity" are written so.

        Raises:
            RequestInvalid: it is missing, or none.
        """
        value = self.values.get(name)
        if value is None or value == "":
            raise missing(self.path + name)
        if isinstance(value, bool):
            raise invalid(self.path + name, value)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise invalid(self.path + name, value) from None

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false, or their text.

        Raises:
            RequestInvalid: it is neither.
        """
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise invalid(self.path + name, value)

    def texts(self, name: str) -> list[str]:
        """A list of texts; one alone is a list of it; missing is empty.

        Raises:
            RequestInvalid: it is none.
        """
        value = self.values.get(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(one, str | int) and not isinstance(one, bool) for one in value):
            raise invalid(self.path + name, value)
        return [str(one) for one in value]

    def items(self, name: str) -> list[Fields]:
        """A list of objects; missing is empty.

        Raises:
            RequestInvalid: it is none.
        """
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise invalid(self.path + name, value)
        return [Fields(one, f"{self.path}{name}[{n}].") for n, one in enumerate(value)]

    def one(self, name: str) -> Fields:
        """An object; missing is empty.

        Raises:
            RequestInvalid: it is none.
        """
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            raise invalid(self.path + name, value)
        return Fields(value or {}, f"{self.path}{name}.")

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """A list of `{"key", "value"}` objects: tags, parameters.

        Raises:
            RequestInvalid: it is none, or a key is missing.
        """
        return [(one.text("key", required=True), one.text("value")) for one in self.items(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call, as its handler sees it.

    Attributes:
        fields: Query and JSON body together.
        names: What the endpoint's pattern took out of the path, percent-decoded.
        project: MLflow's workspace: everything that a handler reads or writes belongs to it.
        headers: By lower-case name; of several the last.
        origin: This server's address as the caller knows it, such as "http://127.0.0.1:7700".
    """

    fields: Fields
    names: Mapping[str, str] = field(default_factory=dict)
    principal: Principal = LOCAL
    project: str = "default"
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""
    body: bytes = b""
    origin: str = ""


def missing(name: str) -> RequestInvalid:
    """What is said of a required argument that is not there."""
    return RequestInvalid(f"Missing value for required parameter '{name}'. {_SEE}")


def invalid(name: str, value: Any) -> RequestInvalid:
    """What is said of an argument of another type."""
    shown = json.dumps(value, default=str)
    shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
    return RequestInvalid(f"Invalid value {shown} for parameter '{name}' supplied: Value was of type '{type(value).__name__}'. {_SEE}")


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if text.removeprefix("-").isdecimal() and len(text) <= 20 else None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None
