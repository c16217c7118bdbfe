"""Lets several threads work on pieces that come and go in order, with few of them under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_order(pieces: Iterable[A], work: Callable[[A], B], threads: int) -> Iterator[B]:
    """What `work` makes of each piece, in their order; at most `threads` + 2 pieces are in memory.

    When the caller stops early, or work raises, what has begun is waited for and the rest is left.
    """
    if threads <= 1:
        yield from map(work, pieces)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="noria-score")
    under_way: deque[Future[B]] = deque()
    try:
        for piece in pieces:
            under_way.append(pool.submit(work, piece))
            if len(under_way) > threads + 1:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
