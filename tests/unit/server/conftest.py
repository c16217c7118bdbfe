import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sample import SampleServices, write_sample

from noria.server.application import create_app
from noria.server.door import Door


@pytest.fixture(scope="session")
def sample_records():
    return write_sample().records


@pytest.fixture
def services(tmp_path, sample_records):
    return SampleServices(tmp_path, sample_records)


@pytest.fixture
def app(services):
    return create_app(services)


class Caller:
    """Asks the application in process; one event loop per request."""

    def __init__(self, app):
        self._app = app

    def __call__(self, method, path, **more):
        import asyncio

        async def ask():
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            base, cookies = more.pop("base", "http://127.0.0.1:7700"), more.pop("cookies", None)
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=cookies) as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path, **more):
        return self("GET", path, **more)

    def post(self, path, **more):
        return self("POST", path, **more)


@pytest.fixture
def ask(app):
    return Caller(app)


@pytest.fixture
def closed(services):
    """The same home, where everybody is asked who they are."""
    return Caller(create_app(services, door=Door(services.access, token=services.token, hint=services.token_hint)))
