"""Everything that answers on the control plane's port: MLflow's protocol, and the API with its pages beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from noria.server.called import LOOPBACK_HOSTS
from noria.server.door import Door
from noria.server.mlflow.app import MlflowApp, takes
from noria.server.mlflow.endpoints import Tracking
from noria.server.mlflow.table import ENDPOINTS
from noria.server.recording import Recorded
from noria.server.services import Services


def control_plane(services: Services, tracking: Tracking, *, door: Door, hosts: Sequence[str] | None = LOOPBACK_HOSTS) -> ASGIApp:
    """The whole wiring of this room.

    Args:
        tracking: What the protocol reads and writes.
        door, hosts: As for `create_app`.
    """

    def pages() -> ASGIApp:
        from noria.server.application import create_app

        return create_app(services, hosts=hosts, door=door)

    later = Later(pages)
    mlflow = Recorded(MlflowApp(tracking, ENDPOINTS, callers=door.enter, hosts=hosts), services.access.audit)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        taken = scope["type"] == "http" and takes(scope["path"])
        await (mlflow if taken else later)(scope, receive, send)

    return answer


class Later:
    """An application that is built for its first request: FastAPI and the pages take as long to load as all the rest.

    Clients of MLflow's protocol don't wait for them, and a process that is asked by nobody else does without.
    """

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._built: ASGIApp | None = None
        self._building = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if self._built is None:
            async with self._building:
                if self._built is None:
                    self._built = await asyncio.get_running_loop().run_in_executor(None, self._build)
        await self._built(scope, receive, send)
