"""What some watches compare traffic with beyond each feature's own distribution: a blob for each, kept with the version."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from noria.core.declaration.watch import Watch
from noria.core.errors import DataInvalid
from noria.loop.materials import Materials
from noria.ports import wire
from noria.ports.tables import keep_frame, scan
from noria.stages.monitoring import anomalies, embeddings, images, joint, texts
from noria.stages.monitoring.thinning import thinned
from noria.stages.monitoring.vectors import packed

TRAINING_VALUES = 6_000
"""Texts, vectors or images of the training rows that are looked at."""


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
    return f"{watch.check}:{watch.column}" if watch.column else watch.check


def _joint(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    known = joint.build(on.frame, on.features.features, importance=importance, chunk=watch.every, seed=on.loop.seed)
    sample = keep_frame(joint.sample_of(on.frame, known, seed=on.loop.seed), on.blobs)
    return on.blobs.put(wire.dump(replace(known, sample=sample)))


def _anomalies(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    made = anomalies.build(on.frame, on.features.features, share=watch.share, importance=importance, chunk=watch.every, seed=on.loop.seed)
    if made is None:
        raise DataInvalid(f"{on.frame.height:,} training rows are too few to hold single requests against")
    return on.blobs.put(wire.dump(replace(made[0], sample=keep_frame(made[1], on.blobs))))


def _texts(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    rows = values_in_training(on, watch.column)
    return on.blobs.put(wire.dump(texts.build(rows["value"].cast(pl.String).to_list(), rows["__time"].to_numpy(), chunk=watch.every)))


def _embeddings(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    rows = values_in_training(on, watch.column).drop_nulls("value")
    values = rows["value"].to_list()
    vectors = converted(watch, values)
    known = embeddings.build(vectors, times=rows["__time"].to_numpy(), chunk=watch.every, texts=[str(one) for one in values])
    return on.blobs.put(packed(known))


def _images(on: Materials, watch: Watch, importance: Mapping[str, float]) -> str:
    rows = values_in_training(on, watch.column)
    return on.blobs.put(wire.dump(images.build(converted(watch, rows["value"].to_list()), rows["__time"].to_numpy(), chunk=watch.every)))


def converted(watch: Watch, values: Sequence[Any]) -> Any:
    """What the user's function makes of a column's values.

    Raises:
        DataInvalid: it gives another number of things than there are values.
    """
    assert watch.convert is not None
    made = watch.convert(values)
    if len(made) != len(values):
        raise DataInvalid(f"the function of {name_of(watch)} gave {len(made):,} things for {len(values):,} values")
    return made


def values_in_training(on: Materials, column: str) -> pl.DataFrame:
    """A column of the training rows with their times, `__time` and `value`, spread evenly: a feature, or another field of the request.

    Raises:
        DataInvalid: no such column is there.
    """
    if column in on.frame.columns:
        rows = on.frame.select("__time", value=column)
    else:
        base = on.order.datasets[on.loop.label.columns.dataset.name]
        found = scan(base, blobs=on.blobs, columns=[base.time, column], since=on.features.start, until=on.features.end).collect()
        rows = found.select(__time=base.time, value=column).sort("__time")
    return thinned(rows, TRAINING_VALUES, on.loop.seed)


MAKERS: Mapping[str, Callable[[Materials, Watch, Mapping[str, float]], str]] = {
    "joint-drift": _joint,
    "anomalies": _anomalies,
    "text-drift": _texts,
    "embedding-drift": _embeddings,
    "image-drift": _images,
}
"""Kind of watch to what makes its reference and gives its digest."""
