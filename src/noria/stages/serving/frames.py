"""How predictions and outcomes lie in the journal: one MessagePack frame for a whole batch, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
import numpy as np

from noria.core.errors import DataInvalid
from noria.core.traffic import Feedback, Prediction, Role, Scalar
from noria.stages.serving.wholes import kept

Column = Sequence[Any]
"""One value per row of a frame: scalars, or lists of probabilities."""


MEMBER, MEMBER_FAILED = "family:member", "family:failed"
"""Columns beside each answer: the partition whose model gave it ("" = the parent did), and why that model could not."""


MEMBERS = "graph:members"
"""Column beside a graph's answers: whom it asked and what each said, as JSON; they are logged under the same id."""


class Predictions(msgspec.Struct, array_like=True, tag="p1"):
    """Answers that one version computed together; every list has one value per row.

    Attributes:
        propensities: The chance with which each row was dealt to the version that was to answer it; None where none was dealt.
    """

    deployment: str
    version: int
    ids: list[str]
    roles: list[Role]
    times: list[int]
    keys: list[str]
    inputs: Mapping[str, Column]
    served: Mapping[str, Column]
    answers: Column
    latencies: list[int]
    errors: list[str]
    propensities: Sequence[float | None] | None = None


class Outcomes(msgspec.Struct, array_like=True, tag="o1"):
    """Outcomes that were told together.

    Attributes:
        metrics: Numbers of the business by name, one per row; None where it was not told.
        told_ms: When they were told, by which those of several processes are put in order; 0 = an earlier Noria did not say.
    """

    deployment: str
    ids: list[str]
    values: Column
    times: list[int]
    metrics: Mapping[str, Sequence[float | None]] | None = None
    told_ms: int = 0


class Explanations(msgspec.Struct, array_like=True, tag="e1"):
    """Why answers were as they were, told after them; every list has one value per row.

    Attributes:
        times: Of the predictions.
        methods, backgrounds: By what, and against which rows.
        told: Each a `core.explaining.Explanation` as JSON.
    """

    deployment: str
    version: int
    ids: list[str]
    times: list[int]
    methods: list[str]
    backgrounds: list[str]
    told: list[str]


Frame = Predictions | Outcomes | Explanations


def encode(frame: Frame) -> bytes:
    """The bytes of one frame."""
    return _encoder.encode(frame)


def decode(data: bytes) -> Frame:
    """The frame in `data`.

    Raises:
        DataInvalid: it is not a frame of this or an earlier Noria.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError) as error:
        raise DataInvalid(f"a frame of the journal cannot be read: {error}") from error


def gathered(predictions: Sequence[Prediction]) -> Iterator[Predictions]:
    """Values as frames: neighbours of the same version and fields share one."""
    for _, group in groupby(predictions, key=lambda p: (p.deployment, p.version, tuple(p.inputs), tuple(p.served))):
        rows = list(group)
        yield Predictions(
            deployment=rows[0].deployment,
            version=rows[0].version,
            ids=[row.request_id for row in rows],
            roles=[row.role for row in rows],
            times=[row.time_ms for row in rows],
            keys=[row.key for row in rows],
            inputs=columns([row.inputs for row in rows]),
            served=columns([row.served for row in rows]),
            answers=[row.answer for row in rows],
            latencies=[row.latency_us for row in rows],
            errors=[row.error for row in rows],
            propensities=[row.propensity for row in rows] if any(row.propensity is not None for row in rows) else None,
        )


def spread(frame: Predictions) -> Iterator[Prediction]:
    """A frame as values, row by row."""
    for place, request_id in enumerate(frame.ids):
        answer = frame.answers[place]
        yield Prediction(
            request_id=request_id,
            deployment=frame.deployment,
            version=frame.version,
            role=frame.roles[place],
            time_ms=frame.times[place],
            key=frame.keys[place],
            inputs={name: column[place] for name, column in frame.inputs.items()},
            served={name: column[place] for name, column in frame.served.items()},
            answer=tuple(answer) if isinstance(answer, list) else answer,
            latency_us=frame.latencies[place],
            error=frame.errors[place],
            propensity=frame.propensities[place] if frame.propensities is not None else None,
        )


def told(feedback: Sequence[Feedback], told_ms: int = 0) -> Iterator[Outcomes]:
    """Outcomes as frames, one per run of the same deployment."""
    for deployment, group in groupby(feedback, key=lambda f: f.deployment):
        rows = list(group)
        named = dict.fromkeys(name for row in rows for name in row.metrics)
        metrics = {name: [row.metrics.get(name) for row in rows] for name in named} or None
        ids, values, times = [row.request_id for row in rows], [row.value for row in rows], [row.time_ms for row in rows]
        yield Outcomes(deployment, ids, values, times, metrics, told_ms)


def columns(rows: Sequence[Any]) -> dict[str, Column]:
    """Rows with the same fields, turned: one list per field."""
    if len(rows) == 1:
        return {name: [value] for name, value in rows[0].items()}
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _plain(value: object) -> Scalar:
    """NumPy's numbers, which a transform may hand over, as scalars; arrays and files as the log keeps them."""
    if isinstance(value, np.ndarray):
        return kept(value)
    item = getattr(value, "item", None)
    if item is None:
        raise NotImplementedError(f"a {type(value).__name__} cannot be journalled")
    return item()


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
