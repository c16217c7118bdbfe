"""Ids for requests that came without one: as `core.ids.new_id` makes them, but cheap."""

from __future__ import annotations

import random

from noria.core.ids import new_id

_PAIRS = tuple(a + b for a in "0123456789abcdefghjkmnpqrstvwxyz" for b in "0123456789abcdefghjkmnpqrstvwxyz")


class RequestIds:
    """Ids of one process; for one thread. They need to differ, not to be secret: the noise is a seeded generator's."""

    __slots__ = ("_bits", "_head", "_time_ms")

    def __init__(self) -> None:
        self._bits = random.Random().getrandbits
        self._time_ms, self._head = -1, ""

    def next(self, time_ms: int) -> str:
        """An id such as `req_01j9…` that sorts by its time."""
        if time_ms != self._time_ms:
            self._time_ms, self._head = time_ms, new_id("req", time_ms)[:-8]
        noise = self._bits(40)
        return f"{self._head}{_PAIRS[noise >> 30]}{_PAIRS[noise >> 20 & 1023]}{_PAIRS[noise >> 10 & 1023]}{_PAIRS[noise & 1023]}"
