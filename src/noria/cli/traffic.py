"""The world outside: recorded traffic in the order it happened, and a client that sends it over real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import orjson
import polars as pl
import polars.selectors as cs

from noria.cli.connections import Pool
from noria.core.errors import Unavailable
from noria.core.moments import from_ms, to_ms

OUTCOMES_PER_REQUEST = 10_000
_SLICES_PER_READ = 720
_ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What happens in [start, end) of event time.

    Attributes:
        requests: Event time in ms and the JSON body `{"id": …, "inputs": {…}}` of each request, oldest first.
        outcomes: Outcomes that become known in the slice, `{"id", "value", "time"}` each, oldest first.
    """

    start: datetime
    end: datetime
    requests: list[tuple[int, bytes]]
    outcomes: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """How recorded traffic names its columns; all others are a request's inputs."""

    id: str = "flight_id"
    time: str = "scheduled_at"
    label: str = "late"
    told: str = "outcome_at"


def slices(
    traffic: Path, *, every: timedelta = timedelta(hours=1), offset: timedelta = timedelta(minutes=5), columns: Columns | None = None
) -> Iterator[Slice]:
    """Cut recorded traffic into slices of event time, empty ones included, until the last outcome is told.

    Slices begin `offset` after whole multiples of `every`. Rows are read a month at a time, so
    memory stays low however long the recording is.

    Args:
        traffic: Parquet; a row whose label is missing is asked about but never gets an outcome.
        every: Length of a slice.
        offset: Shifts the boundaries: at five past, what was observed on the hour is known.
        columns: Names of the columns; the demo's when left out.
    """
    named = columns or Columns()
    every_ms, offset_ms = _ms(every), _ms(offset)
    recorded = _in_utc(pl.scan_parquet(traffic))
    first, last, last_told = (
        to_ms(moment)
        for moment in recorded.select(
            pl.col(named.time).min().alias("a"), pl.col(named.time).max().alias("b"), pl.col(named.told).max().alias("c")
        )
        .collect()
        .row(0)
    )
    start, end = _floor(first, every_ms, offset_ms), max(last, last_told)
    while start <= end:
        stop = start + _SLICES_PER_READ * every_ms
        yield from _cut(recorded, named, start, min(stop, _floor(end, every_ms, offset_ms) + every_ms), every_ms)
        start = stop


def _in_utc(recorded: pl.LazyFrame) -> pl.LazyFrame:
    """Times without a zone are taken as UTC."""
    naive = [name for name, kind in recorded.collect_schema().items() if isinstance(kind, pl.Datetime) and kind.time_zone is None]
    return recorded.with_columns(pl.col(naive).dt.replace_time_zone("UTC"))


def _cut(recorded: pl.LazyFrame, named: Columns, start: int, stop: int, every_ms: int) -> Iterator[Slice]:
    asked_at, bodies = _requests(_between(recorded, named.time, start, stop), named)
    told_at, outcomes = _outcomes(_between(recorded, named.told, start, stop).filter(pl.col(named.label).is_not_null()), named)
    edges = np.arange(start, stop + 1, every_ms)
    asked, told = np.searchsorted(asked_at, edges).tolist(), np.searchsorted(told_at, edges).tolist()
    times = asked_at.tolist()
    for n, edge in enumerate(edges[:-1].tolist()):
        requests = list(zip(times[asked[n] : asked[n + 1]], bodies[asked[n] : asked[n + 1]], strict=True))
        yield Slice(start=from_ms(edge), end=from_ms(edge + every_ms), requests=requests, outcomes=outcomes[told[n] : told[n + 1]])


def _between(recorded: pl.LazyFrame, column: str, start: int, stop: int) -> pl.LazyFrame:
    return recorded.filter(pl.col(column).is_between(from_ms(start), from_ms(stop), closed="left")).sort(column, maintain_order=True)


def _requests(rows: pl.LazyFrame, named: Columns) -> tuple[np.ndarray, list[bytes]]:
    inputs = pl.struct(pl.exclude(named.label, named.told).exclude(pl.Datetime), (cs.datetime() - cs.by_name(named.told)).dt.strftime(_ISO))
    body = pl.struct(pl.col(named.id).cast(pl.String).alias("id"), inputs.alias("inputs")).struct.json_encode().cast(pl.Binary)
    frame = rows.select(pl.col(named.time).dt.epoch("ms").alias("ms"), body.alias("body")).collect()
    return frame["ms"].to_numpy(), frame["body"].to_list()


def _outcomes(rows: pl.LazyFrame, named: Columns) -> tuple[np.ndarray, list[dict[str, Any]]]:
    told = pl.col(named.told)
    frame = rows.select(
        told.dt.epoch("ms").alias("ms"),
        pl.col(named.id).cast(pl.String).alias("id"),
        pl.col(named.label).alias("value"),
        told.dt.strftime(_ISO).alias("time"),
    ).collect()
    return frame["ms"].to_numpy(), frame.select("id", "value", "time").to_dicts()


def _floor(ms: int, every_ms: int, offset_ms: int) -> int:
    return (ms - offset_ms) // every_ms * every_ms + offset_ms


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a batch of single-row requests went; answered + failed is their number.

    Attributes:
        resent: Requests sent again because nobody had acknowledged them.
        roles: Answers by the role that gave them ("champion", "challenger", "fallback").
        versions: Answers by version number.
        latencies_us: One per answer, as the client saw it.
        errors: The first few refusals, in words.
    """

    answered: int = 0
    failed: int = 0
    resent: int = 0
    roles: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[int, int] = field(default_factory=dict)
    latencies_us: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()


class _Answer(msgspec.Struct):
    version: int = 0
    role: str = ""


class Stream:
    """A stream of requests to one data plane, over keep-alive connections; for one event loop.

    Requests carry their own ids, so sending one again after a broken connection is safe.

    Args:
        connections: How many requests are under way at a time; one on each, nothing is pipelined.
        retries: How often a request that nobody acknowledged is sent again.
        timeout_s: The longest wait for one answer before it is asked for again.
        patience_s: How long a data plane that takes no connection is waited for.
    """

    def __init__(
        self, host: str, port: int, *, connections: int = 16, retries: int = 8, timeout_s: float = 15.0, patience_s: float = 30.0
    ) -> None:
        self._address = f"{host}:{port}"
        self._pool = Pool(host, port, connections=connections, retries=retries, timeout_s=timeout_s, patience_s=patience_s)

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def predict_many(self, loop_name: str, items: Sequence[bytes | Mapping[str, Any]]) -> Sent:
        """Ask for one prediction per item (`{"id": …, "inputs": {…}}`, as JSON or as a mapping), each in its own request."""
        tally = _Tally()
        resent = self._pool.resent
        await self._pool.exchange(self._posts(f"/predict/{loop_name}", items), tally.take)
        return tally.sent(self._pool.resent - resent)

    async def feedback(self, loop_name: str, outcomes: Sequence[Mapping[str, Any]]) -> int:
        """Tell outcomes (`{"id", "value", "time"}`), many to a request; returns how many were acknowledged.

        Raises:
            Unavailable: some were not acknowledged, so they have to be told again; telling twice does no harm.
        """
        parts = [outcomes[n : n + OUTCOMES_PER_REQUEST] for n in range(0, len(outcomes), OUTCOMES_PER_REQUEST)]
        refused: list[str] = []

        def take(status: int, body: bytes, latency_us: int) -> None:
            if status // 100 != 2:
                refused.append(_words(status, body))

        await self._pool.exchange(self._posts(f"/feedback/{loop_name}", [{"outcomes": part} for part in parts]), take)
        if refused:
            raise Unavailable(f"{self._address} did not take outcomes: {refused[0]}", fix="tell them again; nothing is counted twice")
        return len(outcomes)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def _posts(self, path: str, items: Sequence[bytes | Mapping[str, Any]]) -> list[bytes]:
        head = f"POST {path} HTTP/1.1\r\nhost: {self._address}\r\ncontent-type: application/json\r\ncontent-length: ".encode()
        bodies = (item if isinstance(item, bytes) else orjson.dumps(item) for item in items)
        return [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in bodies]


class _Tally:
    """Counts answers as they come in."""

    __slots__ = ("_decode", "errors", "failed", "latencies_us", "roles", "versions")

    def __init__(self) -> None:
        self.failed = 0
        self.roles: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()
        self.latencies_us: list[int] = []
        self.errors: list[str] = []
        self._decode = msgspec.json.Decoder(_Answer).decode

    def take(self, status: int, body: bytes, latency_us: int) -> None:
        if status == 200:
            try:
                answer = self._decode(body)
            except msgspec.DecodeError:
                self._fail("an answer that is no prediction: " + _words(status, body))
                return
            self.roles[answer.role] += 1
            self.versions[answer.version] += 1
            self.latencies_us.append(latency_us)
        else:
            self._fail(_words(status, body))

    def _fail(self, words: str) -> None:
        self.failed += 1
        if len(self.errors) < 5:
            self.errors.append(words)

    def sent(self, resent: int) -> Sent:
        return Sent(
            answered=len(self.latencies_us),
            failed=self.failed,
            resent=resent,
            roles=dict(self.roles),
            versions=dict(self.versions),
            latencies_us=tuple(self.latencies_us),
            errors=tuple(self.errors),
        )


def _words(status: int, body: bytes) -> str:
    return f"{status or 'no answer'}: {body[:300].decode(errors='replace')}"
