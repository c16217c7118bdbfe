"""Which kinds of watch there are, and the monitors that each feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from noria.core.declaration.watch import DATA_QUALITY
from noria.loop.monitors import (
    anomalies,
    arrival,
    content,
    data_quality,
    drift,
    freshness,
    joint,
    labels,
    operations,
    prediction_bias,
    quality,
    skew,
    sudden,
)
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
        "joint-drift": Kind(read=joint.read, monitors=(joint.MONITOR,)),
        "drift": Kind(read=drift.read, monitors=("drift", "prediction-drift", "outcome-drift", "missing")),
        "data-quality": Kind(read=data_quality.read, monitors=DATA_QUALITY),
        "anomalies": Kind(read=anomalies.read, monitors=(anomalies.MONITOR,)),
        "text-drift": Kind(read=content.read_texts, monitors=(content.TEXTS,)),
        "embedding-drift": Kind(read=content.read_vectors, monitors=(content.VECTORS,)),
        "image-drift": Kind(read=content.read_images, monitors=(content.IMAGES,)),
        "quality": Kind(read=quality.read, monitors=("quality",)),
        "arrival": Kind(read=arrival.read, monitors=("late", "stale")),
        "freshness": Kind(read=freshness.read, monitors=("freshness",)),
        "prediction-bias": Kind(read=prediction_bias.read, monitors=("prediction-bias",)),
        "labels": Kind(read=labels.read, monitors=("label-coverage", "label-delay")),
        "errors": Kind(read=operations.errors, monitors=("errors",)),
        "slow": Kind(read=operations.slow, monitors=("latency",)),
        "sudden": Kind(read=sudden.read, monitors=("sudden-errors", "sudden-latency", "sudden-predictions")),
        "skew": Kind(read=skew.read, monitors=("skew", "view-missing", "view-age")),
    }
)
