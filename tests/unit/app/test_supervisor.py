from __future__ import annotations

import socket

import pytest

from noria.app.processes import running
from noria.app.settings import Settings
from noria.app.supervisor import Supervisor, free_ports
from noria.core.errors import Unavailable


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_home_does_not_take_another_program_for_its_own_server(tmp_path, taken) -> None:
    settings = Settings(home=str(tmp_path), port=taken, serve_port=0)
    with (
        pytest.raises(Unavailable, match=rf"server cannot listen on 127\.0\.0\.1:{taken}: another program") as refused,
        Supervisor(settings),
    ):
        pass
    assert "--port" in (refused.value.fix or "")
    assert not (tmp_path / "run").exists(), "nothing was started"


def test_a_port_that_the_home_itself_listens_on_is_no_trouble(tmp_path, taken) -> None:
    settings = Settings(home=str(tmp_path), port=taken, serve_port=0)
    with running(tmp_path, "server"):
        free_ports(settings)
