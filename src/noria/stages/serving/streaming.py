"""One answer in pieces: who gives it, and what is journalled at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import orjson

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.core.traffic import Role, ServedVersion
from noria.stages.serving.asks import Ask, Tried
from noria.stages.serving.computed import Computed, failed_tries, frame, reason
from noria.stages.serving.ending import Books
from noria.stages.serving.model import Served
from noria.stages.serving.pieces import NotStreaming, Pieces, in_a_thread

TEXT_KEPT = 4_000
"""Characters of an answer that the journal keeps."""


@runtime_checkable
class Streamer(Protocol):
    """A version in a process of its own that may give pieces."""

    async def stream(self, rows: Rows, now_ms: int) -> Pieces:
        """Begin the answer to a single row.

        Raises:
            NotStreaming: it gives its answers whole.
            Unavailable: it cannot begin.
        """
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """A version that may be asked for pieces, and what answers for it: `Served`, a `Streamer`, or something that cannot."""

    version: ServedVersion
    source: object

    async def begin(self, rows: Rows, now_ms: int) -> Pieces:
        """As `Streamer.stream`."""
        served = self.source
        if isinstance(served, Served) and served.streams:
            return in_a_thread(lambda: served.pieces(rows, now_ms))
        if not isinstance(served, Streamer):
            raise NotStreaming(self.version.number)
        return await served.stream(rows, now_ms)


class Streamed:
    """An answer under way: iterate over it for its pieces, each JSON, and close it, always.

    Attributes:
        pieces: How many were given so far.
    """

    def __init__(self, ask: Ask, rows: Rows, version: int, coming: Pieces, books: Books) -> None:
        self._ask = ask
        self._rows = rows
        self._coming = coming
        self._books = books
        self._text: list[str] = []
        self._kept = 0
        self._over = False
        self.id = ask.id
        self.role = ask.role
        self.version = version
        self.pieces = 0

    def __aiter__(self) -> Streamed:
        return self

    async def __anext__(self) -> bytes:
        """The next piece. May be cancelled.

        Raises:
            StopAsyncIteration: the answer is whole, and journalled.
            Unavailable: the version failed; what came before is journalled with the reason.
        """
        try:
            piece = await self._coming.__anext__()
        except StopAsyncIteration:
            self._end("", complete=True)
            raise
        except Unavailable as error:
            self.fail(reason(error))
            raise
        self.pieces += 1
        if self._kept < TEXT_KEPT:
            text = _text(piece)
            self._text.append(text)
            self._kept += len(text)
        return piece

    def close(self) -> None:
        """Take no more; what came so far is journalled as an answer that is not complete."""
        self._coming.close()
        self._end("", complete=False)

    def __del__(self) -> None:
        """Nobody began to take it, and nobody will."""
        if not self._over:
            self.close()

    def fail(self, error: str) -> None:
        """There will be no more, and that is the version's fault."""
        self._end(error, complete=False)

    def _end(self, error: str, *, complete: bool) -> None:
        """Journal and count it, once. The answer in the log is the number that the generator returned, else how many pieces there were."""
        if self._over:
            return
        self._over = True
        ask, books, now_s = self._ask, self._books, perf_counter()
        answer = None if error else float(self.pieces) if self._coming.value is None else self._coming.value
        served: Mapping[str, Sequence[Any]] = {
            "pieces": [self.pieces],
            "text": ["".join(self._text)[:TEXT_KEPT]],
            "complete": [complete],
        }
        frames = [frame(books.deployment, self.version, Computed([ask], self._rows, [answer], served, [error]), now_s)]
        if ask.tried is not None:
            frames.extend(failed_tries(books.deployment, self._rows.names, [ask]))
            books.counters.fallbacks += 1
            books.tallies[books.deployment, ask.tried.version, Role.CHALLENGER].add(ask.tried.latency_us, failed=True)
        books.scribe.settle([ask], frames)
        books.counters.failed += bool(error)
        books.tallies[books.deployment, self.version, ask.role].add(ask.latency_us(now_s), failed=bool(error))


async def begin(ask: Ask, rows: Rows, first: Voice, then: Voice | None, books: Books) -> Streamed:
    """Let a version begin, and where it cannot another one, if there is one.

    Args:
        then: The champion behind a challenger.

    Raises:
        NotStreaming: the last of them gives its answers whole.
        Unavailable: it cannot begin; that is journalled.
    """
    number = first.version.number
    try:
        return Streamed(ask, rows, number, await first.begin(rows, ask.request.time_ms), books)
    except (Unavailable, NotStreaming) as error:
        if then is None:
            if isinstance(error, Unavailable):
                Streamed(ask, rows, number, _none(), books).fail(reason(error))
            raise
        ask.tried = Tried(version=number, error=reason(error), latency_us=ask.latency_us(perf_counter()))
    ask.role = Role.FALLBACK
    return await begin(ask, rows, then, None, books)


def _none() -> Pieces:
    return Pieces(lambda taken: None, lambda: None)


def _text(piece: bytes) -> str:
    """A piece as the journal keeps it: text as such, anything else as JSON."""
    return str(orjson.loads(piece)) if piece[:1] == b'"' else piece.decode()
