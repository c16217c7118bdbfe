"""A model that is Python code, marked by the person who trusts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Trusted:
    """A Python class with `predict`, or one of its objects, whose code may run wherever its answers are wanted.

    It runs in processes of its own, never in the data plane's.

    Attributes:
        model: The class, or an object of it: its source lies in a file, and its state is what `save` writes.
        files: A folder that is kept with it, and given to `load`.
    """

    model: Any
    files: str | Path | None = None


def trusted(model: Any, files: str | Path | None = None) -> Trusted:
    """Say that a Python class (or an object of one) may run as a model; return it so from `train`, or deploy it.

    Args:
        model: Has `predict(columns)`: field name to a NumPy array, one value per row; it returns one answer
            per row. With `takes = "rows"` it gets a list of dictionaries, with `takes = "matrix"` the float64
            matrix. An object with state also has `save(folder)` and a class method `load(folder)`. A method
            `stream(inputs)` that yields serves answers piece by piece.
        files: A folder that is kept with the class and given to its `load`.
    """
    return Trusted(model, files)
