"""Rows that one version computed together, on their way to their users and to the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from noria.core.errors import NoriaError, bounded
from noria.core.rows import Rows
from noria.core.traffic import Answer, Role
from noria.stages.serving.asks import Ask
from noria.stages.serving.frames import Predictions
from noria.stages.serving.model import all_finite, finite

NOT_FINITE = "answered "
"""What the error of an answer that is no finite number starts with."""


@dataclass(frozen=True, slots=True)
class Computed:
    """Rows that one version computed together; `errors` says why there is no answer, or what was amiss with one."""

    asks: Sequence[Ask]
    rows: Rows
    answers: Sequence[Answer | None]
    served: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    errors: Sequence[str] = ()


def checked(asks: Sequence[Ask], rows: Rows, answers: Sequence[Answer | None], served: Mapping[str, Sequence[Any]]) -> Computed:
    """A computation with every answer that is not a finite number taken out."""
    if len(answers) != len(asks):
        return failed(asks, rows, f"gave {len(answers)} answers to {len(asks)} rows")
    if all_finite(answers):
        return Computed(asks, rows, answers, served, [""] * len(asks))
    errors = ["" if finite(answer) else f"{NOT_FINITE}{answer}" for answer in answers]
    return Computed(asks, rows, [None if error else answer for answer, error in zip(answers, errors, strict=True)], served, errors)


def failed(asks: Sequence[Ask], rows: Rows, error: str) -> Computed:
    """A computation that gave nothing."""
    return Computed(asks, rows, [None] * len(asks), {}, [error] * len(asks))


def picked(computed: Computed, places: Sequence[int]) -> Computed:
    """The rows of a computation at `places`."""
    if len(places) == len(computed.asks):
        return computed
    return Computed(
        [computed.asks[p] for p in places],
        computed.rows.picked(places),
        [computed.answers[p] for p in places],
        {name: [column[p] for p in places] for name, column in computed.served.items()},
        [computed.errors[p] for p in places],
    )


def frame(deployment: str, version: int, computed: Computed, now_s: float) -> Predictions:
    """A computation as the journal keeps it: the rows that the log's sample holds."""
    whole = all(ask.kept for ask in computed.asks)
    kept = computed if whole else picked(computed, [place for place, ask in enumerate(computed.asks) if ask.kept])
    asks = kept.asks
    return Predictions(
        deployment,
        version,
        [ask.id for ask in asks],
        [ask.role for ask in asks],
        [ask.request.time_ms for ask in asks],
        [ask.key for ask in asks],
        kept.rows.columns,
        kept.served,
        kept.answers,
        [int((now_s - ask.request.arrived_s) * 1e6) for ask in asks],
        [
            f"challenger v{ask.tried.version}: {ask.tried.error}" if ask.tried and not error else error
            for ask, error in zip(asks, kept.errors, strict=True)
        ],
        _chances(asks),
    )


def _chances(asks: Sequence[Ask]) -> list[float | None] | None:
    chances = [ask.chance for ask in asks]
    return None if chances.count(None) == len(chances) else chances


def failed_tries(deployment: str, names: Sequence[str], asks: Sequence[Ask]) -> Iterator[Predictions]:
    """The challenger's side of rows that the champion had to answer."""
    for ask in asks:
        if ask.tried is not None and ask.kept:
            yield Predictions(
                deployment,
                ask.tried.version,
                [ask.id],
                [Role.CHALLENGER],
                [ask.request.time_ms],
                [ask.key],
                Rows(names, [ask.row]).columns,
                {},
                [None],
                [ask.tried.latency_us],
                [ask.tried.error],
                [ask.chance],
            )


def reason(error: BaseException) -> str:
    """What went wrong, in one bounded line."""
    said = error.message if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
    return bounded(said, 300).replace("\n", " ")
