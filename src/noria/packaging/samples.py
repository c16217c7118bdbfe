"""Rows that a model is tried with, and how they go from one process to another: never as pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

Sample = np.ndarray | Mapping[str, np.ndarray]
"""Rows as a model takes them: a float64 matrix, or one array per field whose first dimension is the rows."""

_FILE = "rows.npz"
_MATRIX = "noria:matrix"


def put(sample: Sample, folder: Path) -> None:
    """Write a sample for another process."""
    arrays = {_MATRIX: sample} if isinstance(sample, np.ndarray) else dict(sample)
    np.savez(str(folder / _FILE), allow_pickle=False, **{name: _plain(array) for name, array in arrays.items()})


def taken(folder: Path) -> Sample | None:
    """The sample that was written there, or None."""
    if not (folder / _FILE).exists():
        return None
    with np.load(folder / _FILE, allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in kept.files}
    return arrays[_MATRIX] if list(arrays) == [_MATRIX] else arrays


def has_rows(sample: Sample) -> bool:
    """Whether there is anything to answer."""
    return bool(len(sample)) if isinstance(sample, np.ndarray) else all(len(array) for array in sample.values())


def _plain(array: np.ndarray) -> np.ndarray:
    """Objects cannot be kept without pickle: text becomes NumPy's own, and nothing an empty text."""
    return np.array(["" if one is None else str(one) for one in array.tolist()]) if array.dtype == object else array
