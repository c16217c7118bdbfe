"""How a champion's rows end: in the journal, in the counts, and with their callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from noria.core.errors import Unavailable
from noria.core.traffic import Role, ServedVersion
from noria.stages.serving.asks import Answered, Ask
from noria.stages.serving.computed import Computed, failed_tries, frame
from noria.stages.serving.model import speaking
from noria.stages.serving.scribe import Scribe
from noria.stages.serving.tallies import Counters, Tallies


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Where all lanes of a deployment write down what they did."""

    deployment: str
    scribe: Scribe
    counters: Counters
    tallies: Tallies


class Ending:
    """Ends rows that one version has computed, or could not compute.

    Args:
        names: The fields of every row, in order.
    """

    __slots__ = ("_books", "_names", "_number", "_spoken")

    def __init__(self, version: ServedVersion, books: Books, names: Sequence[str]) -> None:
        self._number = version.number
        self._books = books
        self._names = names
        self._spoken = speaking(version.signature)

    def finish(self, asks: Sequence[Ask], computed: Sequence[Computed]) -> None:
        """Journal and count them, then answer: `computed` holds every one of `asks` once."""
        self.record(asks, computed)
        for part in computed:
            self._give(part)

    def record(self, asks: Sequence[Ask], computed: Sequence[Computed]) -> None:
        """As `finish`, but somebody else answers."""
        now_s = perf_counter()
        frames = [frame(self._books.deployment, self._number, part, now_s) for part in computed]
        tried = [ask for ask in asks if ask.tried is not None]
        if tried:
            frames.extend(failed_tries(self._books.deployment, self._names, tried))
        self._books.scribe.settle(asks, frames)
        for part in computed:
            self._count(part, now_s)

    def unseen(self, computed: Sequence[Computed]) -> None:
        """Journal rows that a challenger answers to users: no request ends with them."""
        now_s, books = perf_counter(), self._books
        books.scribe.settle([], [frame(books.deployment, self._number, part, now_s) for part in computed])
        books.counters.shadowed += sum(len(part.asks) for part in computed)

    def _give(self, computed: Computed) -> None:
        number, say = self._number, self._spoken
        for ask, answer, error in zip(computed.asks, computed.answers, computed.errors, strict=True):
            if answer is None:
                why = f"version {number} of {self._books.deployment!r} could not answer {ask.id!r}: {error}"
                ask.request.settle(ask.place, Unavailable(why))
            else:
                prediction, label = say(answer)
                ask.request.settle(ask.place, Answered(id=ask.id, version=number, role=ask.role, prediction=prediction, label=label))

    def _count(self, computed: Computed, now_s: float) -> None:
        books, number = self._books, self._number
        role: Role | None = None
        for ask, answer in zip(computed.asks, computed.answers, strict=True):
            if ask.role is not role:
                role = ask.role
                tally = books.tallies[books.deployment, number, role]  # of most ticks the only one
            tally.add(int((now_s - ask.request.arrived_s) * 1e6), failed=answer is None)
            if answer is None:
                books.counters.failed += 1
            if ask.tried is not None:
                books.counters.fallbacks += 1
                books.tallies[books.deployment, ask.tried.version, Role.CHALLENGER].add(ask.tried.latency_us, failed=True)
