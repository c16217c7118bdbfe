"""Where people are told: channels, each with what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from noria.core.notices import Notice, Told


class Notify(Protocol):
    """One way to people. Thread-safe. Never raises: what goes wrong is in the answer.

    Within some seconds it answers, however the receiver behaves. The same notice may be told
    twice (a process died between telling and writing it down): `Notice.dedupe` and `Notice.id` say so.
    """

    def tell(self, notice: Notice) -> Told:
        """Try once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to people that the home has.

    Attributes:
        takes: Severities that it is told of.
        loops: Loops that it is told of; empty = all.
    """

    name: str
    notify: Notify
    takes: frozenset[str] = frozenset({"page", "notice"})
    loops: frozenset[str] = frozenset()

    def wants(self, notice: Notice) -> bool:
        """Whether it is to be told of this."""
        return notice.severity in self.takes and (not self.loops or notice.loop in self.loops)


class Channels(Protocol):
    """The home's channels as they are now: they may be changed while processes run. Thread-safe."""

    def all(self) -> Sequence[Channel]:
        """Every channel that can be used; one that cannot answers each notice with what is wrong with it."""
        ...
