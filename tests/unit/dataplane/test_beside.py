"""The gRPC port beside HTTP: opened where one is set, and never at HTTP's cost."""

from __future__ import annotations

import socket
import subprocess
import sys

from noria.dataplane.beside import grpc_beside
from noria.dataplane.guard import Guard
from noria.dataplane.limits import RequestLimits


def test_a_port_that_is_taken_is_a_problem_and_no_more(at_work) -> None:
    async def scenario(office):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            async with grpc_beside(office.desk, "127.0.0.1", taken.getsockname()[1], guard=Guard(), limits=RequestLimits(), grace_s=1):
                assert "cannot listen" in office.desk.problems()["grpc"]

    at_work(scenario)


def test_without_the_extra_the_problem_names_it(at_work, monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "noria.dataplane.grpc.server", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)

    async def scenario(office):
        async with grpc_beside(office.desk, "127.0.0.1", 1, guard=Guard(), limits=RequestLimits(), grace_s=1):
            assert 'pip install "noria[grpc]"' in office.desk.problems()["grpc"]

    at_work(scenario)


def test_nothing_of_grpc_is_imported_where_no_port_is_set() -> None:
    asked = "import sys, noria.dataplane.main; print([name for name in sys.modules if name in ('grpc', 'google.protobuf')])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.strip() == "[]"
