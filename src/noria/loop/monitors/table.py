"""Which kinds of watch there are, and the monitors that each feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from noria.loop.monitors import drift, freshness, joint, quality
from noria.loop.monitors.span import Monitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of watch.

    Attributes:
        read: Gives the readings of one closed chunk.
        monitors: Names of the monitors whose states take this watch's k and m.
    """

    read: Monitor
    monitors: tuple[str, ...]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "drift": Kind(read=drift.read, monitors=("drift", "prediction-drift", "missing")),
        "joint-drift": Kind(read=joint.read, monitors=(joint.MONITOR,)),
        "quality": Kind(read=quality.read, monitors=("quality",)),
        "freshness": Kind(read=freshness.read, monitors=("freshness",)),
    }
)
