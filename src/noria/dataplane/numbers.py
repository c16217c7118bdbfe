"""What one data-plane process counted, as a value that travels and adds up: a whole group's numbers are the sum of its workers'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from time import process_time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from noria.stages.serving.desk import Desk


class Answers(msgspec.Struct, array_like=True):
    """How a version answered in a role; see `Tally`."""

    answered: int
    failed: int
    latency_us: int
    buckets: list[int]

    def __add__(self, other: Answers) -> Answers:
        return Answers(
            self.answered + other.answered,
            self.failed + other.failed,
            self.latency_us + other.latency_us,
            [one + two for one, two in zip(self.buckets, other.buckets, strict=True)],
        )


class Numbers(msgspec.Struct, kw_only=True):
    """Counts since the start, and how things are now.

    Attributes:
        answers: By deployment, version and role.
        restarts: How often a model's process was started again, by deployment, version and why.
        worker_restarts: How often a worker was, by why.
        revision: Of the plan at work: in a group the oldest, so what it names is at work everywhere.
        workers: Processes that these are the numbers of.
        in_flight: HTTP requests under way.
        cpu_s: CPU seconds that the processes used, those too that have ended; without their models' own processes.
        models: How the models of a large plan stand (`stages.serving.lazily.Loaded`), summed over processes; empty where all are loaded.
    """

    counters: dict[str, int] = {}
    answers: dict[tuple[str, int, str], Answers] = {}
    restarts: dict[tuple[str, int, str], int] = {}
    worker_restarts: dict[str, int] = {}
    revision: int | None = None
    versions: dict[str, tuple[int, ...]] = {}
    problems: dict[str, str] = {}
    workers: int = 1
    in_flight: int = 0
    cpu_s: float = 0.0
    models: dict[str, int] = {}


def numbers_of(desk: Desk, in_flight: int = 0) -> Numbers:
    """What the process of a desk counted up to now."""
    return Numbers(
        in_flight=in_flight,
        cpu_s=process_time(),
        counters=asdict(desk.counters()),
        answers={
            (deployment, version, str(role)): Answers(tally.answered, tally.failed, tally.latency_us, list(tally.buckets))
            for (deployment, version, role), tally in list(desk.tallies.items())
        },
        restarts=dict(desk.restarts),
        revision=desk.revision,
        versions=desk.versions(),
        problems=desk.problems(),
        models=asdict(loaded) if (loaded := desk.loaded()) else {},
    )


def added(parts: Iterable[Numbers]) -> Numbers:
    """The numbers of all together: counts are summed, the plan's are those of the worker that is furthest behind."""
    whole = Numbers(workers=0)
    first = True
    for part in parts:
        for name, count in part.counters.items():
            whole.counters[name] = whole.counters.get(name, 0) + count
        for key, answers in part.answers.items():
            whole.answers[key] = whole.answers[key] + answers if key in whole.answers else answers
        for key, count in part.restarts.items():
            whole.restarts[key] = whole.restarts.get(key, 0) + count
        for why, count in part.worker_restarts.items():
            whole.worker_restarts[why] = whole.worker_restarts.get(why, 0) + count
        whole.workers += part.workers
        whole.in_flight += part.in_flight
        whole.cpu_s += part.cpu_s
        if part.workers and (first or (part.revision or 0) < (whole.revision or 0)):
            whole.revision, whole.versions, first = part.revision, part.versions, False
        whole.problems |= part.problems
        for name, count in part.models.items():
            whole.models[name] = max(count, whole.models.get(name, 0)) if name == "planned" else count + whole.models.get(name, 0)
    return whole


def of_the_past(numbers: Numbers) -> Numbers:
    """What stays of a process that has ended: its counts."""
    return Numbers(
        counters=numbers.counters,
        answers=numbers.answers,
        restarts=numbers.restarts,
        worker_restarts=numbers.worker_restarts,
        cpu_s=numbers.cpu_s,
        workers=0,
    )
