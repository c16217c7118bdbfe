"""Asks an application in process."""

import asyncio

import httpx


class Caller:
    """Asks the application in process; one event loop per request."""

    def __init__(self, app):
        self._app = app

    def __call__(self, method, path, **more):
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
