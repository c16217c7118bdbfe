"""Tells a collector what happened, from the records and the log: requests pay nothing for it, and a restart loses nothing.

A turn becomes one trace when it has ended, a step of it one span. Requests are told as a sample of
the prediction log. Values of `/metrics` are told as gauges.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from prometheus_client.metrics_core import Metric

from noria.core.errors import Conflict
from noria.core.moments import from_ms, to_ms
from noria.core.telemetry import Gauge, Span, span_of, trace_of
from noria.core.turning import Step, StepState, Turn, TurnState
from noria.ports.records import Put, Records
from noria.ports.telemetry import Telemetry
from noria.server.reads import Reads

KIND = "telemetry"
NEWEST_TURNS = 50
MOST_SPANS = 2_000
SETTLED = timedelta(minutes=1)
"""Requests are told when they are this old: by then the log has them."""
logger = logging.getLogger("noria.telemetry")

Asked = Callable[[str, datetime, datetime], Sequence[Span]]
"""Loop, from and until to the spans of its requests; see `spans_of_requests`."""


class Telegraph:
    """Works through what was not told yet, pass after pass, in a thread of its own.

    What was told is marked in the records after it has arrived: told at least once. Two control
    planes may both tell; spans have the same ids then, and a collector keeps one.

    Args:
        families: The metric families of `/metrics`, read anew at each pass.
        requests: Spans of a loop's requests within a span of time; None tells none.
        wall: Wall time, for gauges.
        now: Event time.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        records: Records,
        reads: Reads,
        *,
        families: Callable[[], Sequence[Metric]],
        requests: Asked | None,
        wall: Callable[[], datetime],
        now: Callable[[], datetime],
        every_s: float = 15.0,
    ) -> None:
        self._telemetry, self._records, self._reads = telemetry, records, reads
        self._families, self._requests = families, requests
        self._wall, self._now, self._every_s = wall, now, every_s
        self._stop = threading.Event()

    def run(self) -> None:
        """Until `stop`; a pass that fails is told in the log and made again."""
        while not self._stop.wait(self._every_s):
            try:
                self.once()
            except Exception:
                logger.exception("telling the collector failed and is tried again")

    def stop(self) -> None:
        """End `run` after the pass that is under way."""
        self._stop.set()

    def once(self) -> int:
        """One pass; returns how many spans arrived. A collector that takes no gauge now is left alone until the next."""
        if not self._telemetry.gauges(gauges_of(self._families(), self._wall())):
            return 0
        arrived = 0
        for loop in self._reads.loops():
            for turn in self._untold(loop.name):
                spans = spans_of_turn(turn, self._reads.steps(turn.id))
                if self._telemetry.spans(spans):
                    self._mark(turn.id, b"{}")
                    arrived += len(spans)
            arrived += self._tell_requests(loop.name)
        return arrived

    def _untold(self, loop: str) -> list[Turn]:
        ended = [turn for turn in self._reads.turns(loop, limit=NEWEST_TURNS) if turn.ended_at is not None]
        return [turn for turn in reversed(ended) if self._records.get(KIND, turn.id) is None]

    def _tell_requests(self, loop: str) -> int:
        if self._requests is None:
            return 0
        until, mark = self._now() - SETTLED, self._records.get(KIND, f"requests of {loop}")
        if mark is None:
            self._mark(f"requests of {loop}", str(to_ms(until)).encode())
            return 0
        spans = self._requests(loop, from_ms(int(mark.body)), until)
        told = 0
        for start in range(0, len(spans), MOST_SPANS):
            part = spans[start : start + MOST_SPANS]
            if not self._telemetry.spans(part):
                return told
            told += len(part)
        self._mark(f"requests of {loop}", str(to_ms(until)).encode(), expect=mark.revision)
        return told

    def _mark(self, key: str, body: bytes, *, expect: int | None = None) -> None:
        try:
            self._records.commit(Put(kind=KIND, key=key, body=body, expect=expect))
        except Conflict:
            logger.debug("another control plane told %s first", key)


def spans_of_turn(turn: Turn, steps: Sequence[Step]) -> list[Span]:
    """A turn that has ended as a trace: the turn, and each of its steps."""
    trace, whole = trace_of(turn.id), span_of(turn.id)
    root = Span(
        name=f"turn {turn.loop}",
        trace=trace,
        id=whole,
        start=turn.created_at,
        end=turn.ended_at or turn.created_at,
        attributes={
            "noria.loop": turn.loop,
            "noria.turn": turn.number,
            "noria.signal": str(turn.signal.cause),
            "noria.state": str(turn.state),
            "noria.outcome": turn.outcome[:1_000],
        },
        failed=turn.outcome[:1_000] if turn.state is TurnState.FAILED else "",
    )
    parts = [
        Span(
            name=step.name,
            trace=trace,
            id=span_of(f"{turn.id}/{step.name}/{step.seq}"),
            parent=whole,
            start=step.started_at,
            end=max(step.ended_at or step.started_at, step.started_at),
            attributes={"noria.attempt": step.attempt, "noria.seconds": step.seconds},
            failed=step.error.strip().splitlines()[-1][:1_000] if step.state is StepState.FAILED and step.error.strip() else "",
        )
        for step in steps
    ]
    return [root, *parts]


def gauges_of(families: Sequence[Metric], at: datetime) -> list[Gauge]:
    """Prometheus families as gauges."""
    return [
        Gauge(name=sample.name, text=family.documentation, value=float(sample.value), at=at, attributes=dict(sample.labels))
        for family in families
        for sample in family.samples
    ]


def sampled(request_id: str, share: float) -> bool:
    """Whether a request is in the sample: the same ones wherever it is asked."""
    return int.from_bytes(sha256(request_id.encode()).digest()[:8], "big") < share * 2**64
