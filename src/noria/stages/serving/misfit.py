"""One value of a request that does not fit its field."""

from __future__ import annotations


class Misfit(ValueError):
    """One value that does not fit its field; the message is the reason."""


def named(value: object) -> str:
    """The JSON name of a value's type, as its sender knows it."""
    names = {bool: "a bool", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), type(value).__name__)
