"""Alerts through a control plane that really runs: what was committed before it died is told when it is back."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from datetime import UTC, datetime

from noria.app.channels import ChannelSetup, add
from noria.app.processes import end, pid_of, start
from noria.app.settings import Settings, keep, read
from noria.app.wiring import build
from noria.cli.firedrill import fire_drill
from noria.core.signing import verify_webhook
from noria.core.state import LoopState
from noria.testing.notify import notice
from noria.testing.receivers import HttpReceiver

PATIENCE_S = 60


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(what) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_drill_is_told_by_the_control_plane_and_a_notice_outlives_its_death(tmp_path, capsys) -> None:
    keep(Settings(home=str(tmp_path), port=free_port(), serve_port=free_port()))
    world = build(read(tmp_path))
    world.documents.put(LoopState(name="orders", description="", file="", code="sha256:none", task=None, phase="serving"))
    with HttpReceiver() as receiver:
        made = add(tmp_path, ChannelSetup(name="ops", kind="webhook", url=receiver.url))
        servers = [start(tmp_path, "noria.server")]
        try:
            wait_for(lambda: pid_of(tmp_path, "server"))
            fire_drill("orders", home=tmp_path, by="ada", patience_s=PATIENCE_S, as_json=True)
            told = json.loads(capsys.readouterr().out)
            assert told["arrived"] and {way["channel"] for way in told["deliveries"]} == {"ops", "log"}
            wait_for(lambda: len(receiver.got) >= 2)
            for got in receiver.got:
                verify_webhook(made.secret, got.headers, got.body, now_s=datetime.now(UTC).timestamp())
            os.kill(servers[0].pid, signal.SIGKILL)
            servers[0].wait()
            world.documents.put(notice(id="after", dedupe="after", loop="orders"), expect=0)
            servers.append(start(tmp_path, "noria.server"))
            wait_for(lambda: any(got.json()["notice"]["id"] == "after" for got in receiver.got))
        finally:
            end(tmp_path, "server")
            for server in servers:
                server.wait(timeout=30)
