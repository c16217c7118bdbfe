"""Real receivers on this machine, for channels to talk to: one of HTTP, one of mail."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came; header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(slots=True)
class HttpReceiver:
    """Takes every POST and answers as it is told to. `with HttpReceiver() as receiver: … receiver.url`.

    Attributes:
        answers: Status and body of the next answers, first to last; when they have run out, `otherwise`.
        got: Every request, in the order they came.
        hold: Set it to let answers wait until it is cleared: a receiver that hangs.
    """

    otherwise: tuple[int, bytes] = (200, b"{}")
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    before: Callable[[Received], None] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                came = Received(path=self.path, headers={k.lower(): v for k, v in self.headers.items()}, body=body)
                receiver.got.append(came)
                if receiver.before:
                    receiver.before(came)
                while receiver.hold.is_set() and receiver._server is not None:
                    receiver_pause.wait(0.01)
                status, answer = receiver.answers.pop(0) if receiver.answers else receiver.otherwise
                try:
                    self.send_response(status)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    return  # whoever asked has gone

            def log_message(self, format: str, *args: object) -> None:
                return

        receiver_pause = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        _serve(self._server)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        server, self._server = self._server, None
        _stop(server)

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"


@dataclass(slots=True)
class MailReceiver:
    """Takes every mail over SMTP. `with MailReceiver() as receiver: … receiver.port`.

    Attributes:
        context: Certificate and key, with which it answers STARTTLS, or (`from_first_byte`) speaks TLS at once; None = in plain.
        refuse: An answer such as "550 no such user" to every recipient.
        mails: The text of every mail.
    """

    refuse: str = ""
    context: ssl.SSLContext | None = None
    from_first_byte: bool = False
    mails: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    _server: socketserver.ThreadingTCPServer | None = None

    def __enter__(self) -> Self:
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    if receiver.from_first_byte:
                        self.encrypt()
                    self.talk()
                except OSError:
                    return  # whoever called has hung up

            def talk(self) -> None:
                self.say("220 here")
                while line := self.rfile.readline():
                    word = line.decode().split(" ", 1)[0].strip().upper()
                    if word == "EHLO":
                        self.say("250-here" if receiver.context else "250 here")
                        if receiver.context:
                            self.say("250-STARTTLS\r\n250 AUTH PLAIN")
                    elif word == "STARTTLS" and receiver.context:
                        self.say("220 go on")
                        self.encrypt()
                    elif word == "AUTH":
                        receiver.logins.append(line.decode().split()[-1])
                        self.say("235 welcome")
                    elif word == "DATA":
                        self.say("354 go on")
                        receiver.mails.append(self.mail())
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say(receiver.refuse if word == "RCPT" and receiver.refuse else "250 well")

            def encrypt(self) -> None:
                assert receiver.context is not None
                self.connection = receiver.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

            def mail(self) -> str:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return b"".join(lines).decode()

            def say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        _serve(self._server)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        server, self._server = self._server, None
        _stop(server)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.server_address[1])


def _serve(server: ThreadingHTTPServer | socketserver.ThreadingTCPServer) -> None:
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


def _stop(server: socketserver.BaseServer | None) -> None:
    if server is not None:
        server.shutdown()
        server.server_close()
