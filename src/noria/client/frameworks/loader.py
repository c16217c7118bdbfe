"""Batches as they go by: how many a second, and how much of the time the training waits for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from noria.client.told import Told

T = TypeVar("T")


class Tracked(Iterable[T]):
    """A loader, or any iterable of batches, that tells its pace; as long as the loader itself.

    Args:
        every_s: Seconds between what is told; the last of each pass is always told.
    """

    def __init__(self, run: Told, loader: Iterable[T], *, name: str, every_s: float) -> None:
        self._run, self._loader, self._name, self._every_s = run, loader, name, every_s
        self._batches = 0

    def __len__(self) -> int:
        return len(self._loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[T]:
        begun = asked = time.perf_counter()
        batches = rows = 0
        waited = 0.0
        for batch in self._loader:
            got = time.perf_counter()
            waited += got - asked
            batches += 1
            rows += rows_in(batch)
            self._batches += 1
            if got - begun >= self._every_s:
                self._tell(batches, rows, waited, got - begun)
                begun, batches, rows, waited = got, 0, 0, 0.0
            yield batch
            asked = time.perf_counter()
        if batches:
            self._tell(batches, rows, waited, time.perf_counter() - begun)

    def _tell(self, batches: int, rows: int, waited: float, passed: float) -> None:
        passed = max(passed, 1e-9)
        told = {"batches_per_s": batches / passed, "rows_per_s": rows / passed, "waiting_share": min(waited / passed, 1.0)}
        self._run.log({f"{self._name}/{what}": value for what, value in told.items()}, step=self._batches)


def rows_in(batch: Any) -> int:
    """Rows of a batch: of its first tensor or list, however deep it lies; 1 of anything else."""
    if isinstance(batch, dict):
        return rows_in(next(iter(batch.values()))) if batch else 0
    if isinstance(batch, (list, tuple)):
        first = batch[0] if batch else None
        nested = isinstance(first, (list, tuple, dict)) or getattr(first, "shape", None)
        return rows_in(first) if nested else len(batch)
    shape = getattr(batch, "shape", None)
    return int(shape[0]) if shape else 1
