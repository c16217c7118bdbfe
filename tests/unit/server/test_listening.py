import asyncio
import errno
import socket
import subprocess
import sys

import pytest
import uvloop

from noria.server.listening import PortTaken, listening


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("handed", [False, True])
def test_what_is_accepted_sends_without_delay_in_a_process_that_was_handed_the_socket_too(loop, handed) -> None:
    class Asked(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            option.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def accept(at: socket.socket) -> None:
        server = await asyncio.get_running_loop().create_server(Asked, sock=at)
        reader, writer = await asyncio.open_connection(*at.getsockname())
        await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    option: list[int] = []
    with listening("127.0.0.1", 0) as first:
        at = socket.socket(fileno=socket.dup(first.fileno())) if handed else first
        with at, asyncio.Runner(loop_factory=loop) as runner:
            runner.run(accept(at))
    assert option[0] != 0


def test_a_port_that_is_taken_is_named() -> None:
    with listening("127.0.0.1", 0) as first, pytest.raises(PortTaken, match=f":{first.getsockname()[1]}: ") as refused:
        listening(*first.getsockname())
    assert refused.value.__cause__.errno == errno.EADDRINUSE


def test_what_answers_mlflows_clients_loads_without_the_api_and_the_pages() -> None:
    found = "[name for name in ('fastapi', 'pydantic', 'jinja2', 'prometheus_client', 'httpx', 'noria.drawing') if name in sys.modules]"
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, noria.server.__main__; print({found})"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
