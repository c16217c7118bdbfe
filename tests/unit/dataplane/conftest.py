"""The serving station's fakes, for the transports over it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from noria.dataplane.exchange import JSON, Call
from noria.dataplane.guard import Guard
from noria.dataplane.http import create_router

_spec = importlib.util.spec_from_file_location("serving_fakes", Path(__file__).parents[1] / "stages" / "serving" / "conftest.py")
_fakes = importlib.util.module_from_spec(_spec)
sys.modules["serving_fakes"] = _fakes
_spec.loader.exec_module(_fakes)

at_work, office = _fakes.at_work, _fakes.office


class Heard:
    """A reply, read."""

    def __init__(self, reply: Any) -> None:
        self.status, self.body, self.content_type, self.headers = reply.status, reply.body, reply.content_type, dict(reply.headers)

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Caller:
    """Calls a router as a transport does."""

    def __init__(self, router: Any) -> None:
        self.router = router

    async def __call__(self, method: str, path: str, body: Any = b"", *, kind: str = JSON, query: str = "", **headers: str) -> Heard:
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else orjson.dumps(body)
        told = {name.replace("_", "-"): value for name, value in headers.items()} | ({"content-type": kind} if kind else {})
        return Heard(await self.router.answer(Call(method=method, path=path, query=query, headers=told, body=data)))


@pytest.fixture
def calling(at_work):
    """Run a scenario with a caller of an open desk's router, and its office."""

    def run(scenario: Any, *, token: str = "", **options: Any) -> None:
        async def whole(office: Any) -> None:
            await scenario(Caller(create_router(office.desk, **{"guard": Guard(token=token), **options})), office)

        at_work(whole)

    return run
