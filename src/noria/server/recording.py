"""Puts every call that changes something on the record, whichever protocol it came by, before it is answered."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noria.core.audit import Called
from noria.core.errors import NoriaError
from noria.core.rights import DEFAULT_PROJECT, NOBODY, Right
from noria.ledger.access.audit import Audit
from noria.server.called import address_of
from noria.server.shown import SAFE

log = logging.getLogger(__name__)

KEEP_S = 5.0
END_S = 10.0
"""What is to be written when the process ends has this long."""

REFUSED = (401, 403, 429)
AT_ONCE = frozenset({Right.APPROVE, Right.OPERATE, Right.ADMIN})
"""Orders with these rights are on the record before their answer is sent; contributions are counted and follow."""


class Recorded:
    """ASGI wrapper: what changed something, and what was refused, becomes a line of the record."""

    def __init__(self, app: ASGIApp, audit: Audit) -> None:
        self._app = app
        self._audit = audit
        self._pen = ThreadPoolExecutor(1, thread_name_prefix="audit")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self._app(scope, receive, send)
            return

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start" and (message["status"] < 400 or message["status"] in REFUSED):
                await self._record(scope, message["status"])
            await send(message)

        await self._app(scope, receive, send_recorded)

    async def _record(self, scope: Scope, status: int) -> None:
        called = scope.get("state", {}).get("noria.called", {})
        principal = called.get("principal", NOBODY)
        on = "/".join(str(value) for value in scope.get("path_params", {}).values())[:200]
        what = f"{scope['method']} {called.get('what') or _pattern(scope)}"
        line = Called(principal.name, principal.token, address_of(scope), what, on, called.get("project", DEFAULT_PROJECT), status)
        if status < 400 and called.get("right") in AT_ONCE:
            try:
                await asyncio.get_running_loop().run_in_executor(self._pen, self._audit.write, line)
            except NoriaError:
                log.exception("what %s ordered is not on the record: %s", line.by, line.what)
        else:
            self._audit.count(line)


def _pattern(scope: Scope) -> str:
    """The path with the names of what it gives in their values' place."""
    path = str(scope["path"])
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path[:200]


class Keeper:
    """Writes what is kept of calls now and then, from a thread of its own within a `with` block.

    Args:
        duties: What to do each time; one that fails is done again the next time.
    """

    def __init__(self, duties: Sequence[Callable[[], None]]) -> None:
        self._duties = duties
        self._over = threading.Event()

    def run(self) -> None:
        """Keep until `stop`, and once more then."""
        while not self._over.wait(KEEP_S):
            self._keep()
        self._keep()

    def stop(self) -> None:
        """Let `run` end."""
        self._over.set()

    def __enter__(self) -> Self:
        self._keeping = threading.Thread(target=self.run, name="keeper", daemon=True)
        self._keeping.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._keeping.join(timeout=END_S)

    def _keep(self) -> None:
        for duty in self._duties:
            try:
                duty()
            except NoriaError:
                log.warning("the record of calls could not be written", exc_info=True)
