"""Answers that come piece by piece: a generator in a thread of its own, and whoever takes its pieces in the event loop.

The thread is at most `AHEAD` pieces ahead of its reader, so nothing piles up behind a slow one; a
reader that leaves stops the generator at its next piece.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import orjson

from noria.core.errors import RequestInvalid, Unavailable
from noria.stages.serving.computed import reason

AHEAD = 16
"""Pieces that a generator may be ahead of its reader."""

PIECE_BYTES = 1 << 20
"""Most bytes of one piece, as JSON."""

Give = Callable[[bytes], object]
End = Callable[[str, float | None], object]
"""Hears the end of a stream: why it failed ("" when it did not), and the number that the generator returned, if any."""


class NotStreaming(RequestInvalid):
    """A version that gives its answers whole."""

    def __init__(self, version: int) -> None:
        wanted = "gives its answers whole; ask without /stream"
        super().__init__(f"version {version} {wanted}", fields={"stream": wanted})


class Pump:
    """Runs a generator in a thread and gives its pieces, as JSON, to whoever takes them.

    Args:
        make: Begins the generator; called in the thread.
        give, end: Called in the thread: once for each piece, then once.
    """

    def __init__(self, make: Callable[[], Iterator[Any]], give: Give, end: End) -> None:
        self._make = make
        self._give = give
        self._end = end
        self._credit = threading.Semaphore(AHEAD)
        self._stopped = False

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="pieces", daemon=True).start()

    def more(self, pieces: int) -> None:
        """So many were taken. From any thread."""
        self._credit.release(pieces)

    def stop(self) -> None:
        """Give no more pieces, and close the generator. From any thread."""
        self._stopped = True
        self._credit.release()

    def _run(self) -> None:
        error, value = "", None
        try:
            value = self._through(self._make())
        except Exception as failure:  # noqa: BLE001 - user code raises anything; it is told with the stream's end
            error = reason(failure)
        self._end(error, value)

    def _through(self, pieces: Iterator[Any]) -> float | None:
        try:
            while self._credit.acquire() and not self._stopped:
                try:
                    piece = next(pieces)
                except StopIteration as over:
                    return _number(over.value)
                self._give(_written(piece))
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        return None


class Pieces:
    """The pieces of one stream as its reader takes them; for the event loop's thread.

    Args:
        more: Hears how many pieces were taken.
        stop: Called when the reader leaves before the end.

    Attributes:
        value: The number that the generator returned, once it has ended.
    """

    def __init__(self, more: Callable[[int], object], stop: Callable[[], object]) -> None:
        self._more = more
        self._stop = stop
        self._held: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._taken = 0
        self._error = ""
        self._ended = False
        self.value: float | None = None

    def feed(self, piece: bytes) -> None:
        """A piece has come."""
        self._held.append(piece)
        self._news.set()

    def finish(self, error: str, value: float | None = None) -> None:
        """No more come; `error` is why, or "" at the end."""
        if not self._ended:
            self._ended, self._error, self.value = True, error, value
            self._news.set()

    @property
    def ended(self) -> bool:
        """Whether no more will come than are here."""
        return self._ended

    def close(self) -> None:
        """Take no more."""
        if not self._ended:
            self.finish("its reader has left")
            self._stop()

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        """The next piece. May be cancelled: no piece is lost.

        Raises:
            StopAsyncIteration: that was the last.
            Unavailable: the version failed.
        """
        while not self._held:
            if self._ended:
                if self._error:
                    raise Unavailable(self._error)
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._taken += 1
        if self._taken == AHEAD // 2:
            self._more(self._taken)
            self._taken = 0
        return self._held.popleft()


def in_a_thread(make: Callable[[], Iterator[Any]]) -> Pieces:
    """The pieces of a generator that runs in a thread of this process."""
    loop = asyncio.get_running_loop()

    def soon(hear: Callable[..., object], *told: object) -> None:
        try:
            loop.call_soon_threadsafe(hear, *told)
        except RuntimeError:
            pump.stop()

    pump = Pump(make, lambda piece: soon(pieces.feed, piece), lambda error, value: soon(pieces.finish, error, value))
    pieces = Pieces(pump.more, pump.stop)
    pump.start()
    return pieces


def _written(piece: object) -> bytes:
    written = orjson.dumps(piece, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    if len(written) > PIECE_BYTES:
        raise ValueError(f"a piece has {len(written):,} bytes; at most {PIECE_BYTES:,} are taken")
    return written


def _number(value: object) -> float | None:
    """What a generator returned, where it can be an answer."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    return None
