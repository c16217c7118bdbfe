"""What some watches compare traffic with beyond each feature's own distribution: a blob for each, kept with the version."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO

import polars as pl

from noria.core.declaration.watch import Watch
from noria.core.errors import DataInvalid
from noria.loop.materials import Materials
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.stages.monitoring import anomalies, joint


def beside(on: Materials, importance: Mapping[str, float]) -> dict[str, str]:
    """Name to digest, for each declared watch that keeps a reference of its own.

    One that cannot be made costs the candidate nothing: its traceback is on the bench, and its watch has nothing to say.
    """
    found: dict[str, str] = {}
    for watch in on.loop.watch:
        made = MAKERS.get(watch.check)
        if made is None:
            continue
        on.bench.say("evaluation", f"reference of {watch.check}")
        try:
            found[name_of(watch)] = made(on, watch, importance)
        except Exception:  # noqa: BLE001 - a monitor's reference must not cost the candidate its scorecard; it is recorded
            on.bench.keep(f"untold-{watch.check}", traceback.format_exc())
    return found


def name_of(watch: Watch) -> str:
    """The name that a watch's reference is kept under."""
    return watch.check


def keep_frame(frame: pl.DataFrame, blobs: Blobs) -> str:
    """A table as a Parquet blob; its digest."""
    file = BytesIO()
    frame.write_parquet(file)
    return blobs.put(file.getvalue())


def _joint(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    known = joint.build(on.frame, on.features.features, importance=importance, chunk=watch.every, seed=on.loop.seed)
    sample = keep_frame(joint.sample_of(on.frame, known, seed=on.loop.seed), on.blobs)
    return on.blobs.put(wire.dump(replace(known, sample=sample)))


def _anomalies(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    made = anomalies.build(on.frame, on.features.features, share=watch.share, importance=importance, chunk=watch.every, seed=on.loop.seed)
    if made is None:
        raise DataInvalid(f"{on.frame.height:,} training rows are too few to hold single requests against")
    return on.blobs.put(wire.dump(replace(made[0], sample=keep_frame(made[1], on.blobs))))


MAKERS: Mapping[str, Callable[[Materials, Watch, Mapping[str, float]], str]] = {"joint-drift": _joint, "anomalies": _anomalies}
"""Kind of watch to what makes its reference and gives its digest."""
