"""gRPC's health protocol: whether requests can be answered, of the server and of each deployment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import grpc

from noria.core.errors import NoriaError, NotFound
from noria.dataplane.grpc.calls import read, streamed, unary
from noria.dataplane.grpc.messages import SERVICE, health
from noria.stages.serving.desk import Desk

LOOK_S = 0.5
"""How often a watcher's answer is looked at."""


class Health:
    """The protocol over a desk; after `end` nothing is served any more, and watchers hear so."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ended = asyncio.Event()

    def methods(self) -> Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]:
        """Its methods by name; open to everybody."""
        return {
            "Check": unary(health["HealthCheckRequest"], self.check, _anybody),
            "Watch": streamed(self.watch, _anybody, many_in=False),
        }

    def end(self) -> None:
        """Tell watchers that the server ends."""
        self._ended.set()

    async def check(self, asked: Any) -> Any:
        """The status of the server ("" or the protocol's name) or of a deployment."""
        status = self._status(asked.service)
        if status == "SERVICE_UNKNOWN":
            raise NotFound(f"there is no service {asked.service[:100]!r}")
        return health["HealthCheckResponse"](status=status)

    async def watch(self, data: Any, admitted: Callable[[str], None]) -> AsyncGenerator[Any, None]:
        """The status now and whenever it changes."""
        asked, told = read(health["HealthCheckRequest"], data), ""
        while True:
            status = self._status(asked.service)
            if status != told:
                told = status
                yield health["HealthCheckResponse"](status=status)
            if self._ended.is_set():
                return
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._ended.wait()
            except TimeoutError:
                continue

    def _status(self, service: str) -> str:
        if self._ended.is_set():
            return "NOT_SERVING"
        if service in ("", SERVICE):
            return "SERVING" if self._desk.ready else "NOT_SERVING"
        try:
            self._desk.deployed(service)
        except NotFound:
            return "SERVICE_UNKNOWN"
        except NoriaError:
            return "NOT_SERVING"
        return "SERVING"


def _anybody(context: object, deployment: str) -> None:
    """Admit everybody."""
