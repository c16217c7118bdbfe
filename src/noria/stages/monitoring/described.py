"""Reads what texts or images look like in plain numbers, by the same engine as features."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from noria.core.schema import Field, Kind
from noria.core.watching import DriftReference, Reading
from noria.stages.monitoring import drift, reference


def describe(frame: pl.DataFrame, *, chunk: timedelta) -> DriftReference:
    """The reference of descriptors: `__time` and one column of numbers for each."""
    fields = [Field(name=name, kind=Kind.FLOAT) for name in frame.columns if name != "__time"]
    return reference.build(frame, fields, importance={}, scores=None, score_times=None, quality={}, chunk=chunk)


def measure(
    known: DriftReference, frame: pl.DataFrame, *, monitor: str, name: str, loop: str, at: datetime, min_rows: int
) -> list[Reading]:
    """Read each descriptor's drift as "name/descriptor", and once how many values cannot be described at all."""
    found = []
    for reading in drift.measure(known, frame, loop=loop, at=at, min_rows=min_rows):
        if reading.monitor == "drift":
            found.append(replace(reading, monitor=monitor, subject=f"{name}/{reading.subject}"))
        elif reading.subject == known.features[0].name:
            found.append(replace(reading, monitor=monitor, subject=f"{name}/missing"))
    return found
