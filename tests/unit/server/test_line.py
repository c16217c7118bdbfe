import os
import signal
import socket
import threading
from datetime import UTC, datetime

from noria.server.line import FarWheel, NearWheel

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Wheel:
    def __init__(self) -> None:
        self.nudged = threading.Event()
        self.asked: list[tuple[datetime, float]] = []

    def nudge(self) -> None:
        self.nudged.set()

    def settle(self, at: datetime, timeout_s: float) -> bool:
        self.asked.append((at, timeout_s))
        return timeout_s > 1


def test_another_process_nudges_the_wheel_and_waits_for_it_and_ends_when_the_line_is_cut(monkeypatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "kill", lambda pid, sign: ended.set() if (pid, sign) == (os.getpid(), signal.SIGTERM) else None)
    wheel, (here, there) = Wheel(), socket.socketpair()
    near, far = NearWheel(here, wheel), FarWheel(there)
    far.nudge()
    assert wheel.nudged.wait(30)
    assert far.settle(AT, 1.5)
    assert not far.settle(AT, 0.5)
    assert wheel.asked == [(AT, 1.5), (AT, 0.5)]
    assert not ended.is_set()
    near.cut()
    assert ended.wait(30)
    far.nudge()
    there.close()


def test_a_first_that_does_not_answer_in_time_has_not_settled(monkeypatch) -> None:
    monkeypatch.setattr("noria.server.line.GRACE_S", 0.0)
    ended = threading.Event()
    monkeypatch.setattr(os, "kill", lambda pid, sign: ended.set())
    silent, there = socket.socketpair()
    assert not FarWheel(there).settle(AT, 0.0)
    silent.close()
    assert ended.wait(30)
    there.close()
