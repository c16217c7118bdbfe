"""Writes of one moment in one commit: what came in the same turn of the event loop is logged together.

A point costs its insert alone then, and nobody waits for more to come. Where somebody else writes to the database,
or it is on a server, a thread does the waiting.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any

from noria.ports.sql import Outcome, Sql, Work


class Ticks:
    """Used by one event loop."""

    def __init__(self, sql: Sql, threads: Executor) -> None:
        self._sql = sql
        self._threads = threads
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []

    def do(self, work: Work[Any]) -> asyncio.Future[Any]:
        """Have a work done at the end of this turn of the loop; what it raises is the future's."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((work, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._turn)
        return future

    def _turn(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            outcomes = self._sql.attempt([work for work, _ in waiting])
        except Exception as error:  # noqa: BLE001 - each caller gets it
            outcomes = [Outcome(error=error) for _ in waiting]
        if outcomes is None:
            loop = asyncio.get_running_loop()
            for work, future in waiting:
                done = loop.run_in_executor(self._threads, self._alone, work)
                done.add_done_callback(lambda done, future=future: _settle(future, done.result()))  # type: ignore[misc]
            return
        for (_, future), outcome in zip(waiting, outcomes, strict=True):
            _settle(future, outcome)

    def _alone(self, work: Work[Any]) -> Outcome:
        try:
            return Outcome(self._sql.write(work, durable=False))
        except Exception as error:  # noqa: BLE001 - its caller gets it
            return Outcome(error=error)


def _settle(future: asyncio.Future[Any], outcome: Outcome) -> None:
    if future.cancelled():
        return
    if outcome.error is not None:
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome.value)
