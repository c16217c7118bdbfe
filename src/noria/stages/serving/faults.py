"""Faults on demand, for fire drills: a version that answers wrongly, slowly, or takes its process down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noria.core.errors import DeclarationInvalid
from noria.core.schema import Task
from noria.core.traffic import Answer
from noria.stages.serving.model import Row, Served

FAULTS = ("", "wrong", "slow", "crash")

CRASH_EVERY = 20
"""Rows after which a crashing version ends its process."""


class Faulty:
    """A version that answers with the fault its plan asks for. Only for a challenger's own process.

    Raises:
        DeclarationInvalid: there is no such fault.
    """

    def __init__(self, served: Served, *, sleep: Callable[[float], None] = time.sleep, end: Callable[[int], object] = os._exit) -> None:
        if served.version.fault not in FAULTS:
            raise DeclarationInvalid([f"there is no fault {served.version.fault!r}; there are {', '.join(FAULTS[1:])}"])
        self._served = served
        self._fault = served.version.fault
        self._sleep = sleep
        self._end = end
        self._seen = 0

    def answer(self, rows: Sequence[Row], now_ms: int, timeout_ms: float) -> tuple[list[Answer], Mapping[str, Sequence[Any]]]:
        """As `Served.answer`; "slow" sleeps twice the timeout, "crash" ends the process at every twentieth row."""
        self._seen += len(rows)
        if self._fault == "crash" and self._seen >= CRASH_EVERY:
            self._end(70)
        if self._fault == "slow":
            self._sleep(2 * timeout_ms / 1000)
        answers, columns = self._served.answer(rows, now_ms)
        if self._fault == "wrong":
            task = self._served.version.signature.task
            answers = [turned(task, answer) for answer in answers]
        return answers, columns


def turned(task: Task, answer: Answer) -> Answer:
    """A plausible answer that is wrong: 1 − p, the probabilities reversed, or the value shifted."""
    if isinstance(answer, tuple):
        return answer[::-1]
    return 1.0 - answer if task is Task.BINARY else answer + 3.0 * abs(answer) + 1.0
