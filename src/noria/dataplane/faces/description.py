"""Tells what the data plane answers and how to ask: OpenAPI for programs, a page for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qs

from noria.dataplane.docs_page import POLICY, page
from noria.dataplane.exchange import Call, Endpoint, Face, Reply, said
from noria.dataplane.faces import own
from noria.dataplane.openapi import LIMIT, openapi
from noria.stages.serving.desk import Deployed, Desk

_HOST = re.compile(r"[\w.\-\[\]:]{1,200}")


def face(desk: Desk, others: Sequence[Face], *, keys: bool, tls: bool = False) -> Face:
    """The description of the other faces; `keys` says whether callers must show a key or the token."""
    told = _Description(desk, others, keys, tls)
    return Face(
        name="Description",
        prefixes=("/openapi.json", "/docs"),
        endpoints=(
            Endpoint(method="GET", pattern="/openapi.json", handler=told.openapi, deployment=_asked, summary="This, as OpenAPI 3.1"),
            Endpoint(method="GET", pattern="/docs", handler=told.page, deployment=_asked, summary="This, as a page"),
        ),
        refusal=own.refusal,
    )


class _Description:
    def __init__(self, desk: Desk, others: Sequence[Face], keys: bool, tls: bool) -> None:
        self._desk = desk
        self._others = others
        self._keys = keys
        self._tls = tls

    async def openapi(self, call: Call) -> Reply:
        return said(openapi(self._others, self._deployed(call)[0], keys=self._keys))

    async def page(self, call: Call) -> Reply:
        shown, more = self._deployed(call)
        host = call.headers.get("host", "")
        scheme = "https" if self._tls or call.headers.get("x-forwarded-proto") == "https" else "http"
        base = f"{scheme}://{host}" if _HOST.fullmatch(host) else ""
        headers = (("content-security-policy", POLICY), ("x-content-type-options", "nosniff"))
        body = page(self._others, shown, base=base, more=more).encode()
        return Reply(body=body, content_type="text/html; charset=utf-8", headers=headers)

    def _deployed(self, call: Call) -> tuple[list[Deployed], int]:
        """The deployment that was asked for, or the first ones and how many there are more.

        Raises:
            NotFound: there is none of that name.
        """
        if asked := _asked(call):
            return [self._desk.deployed(asked)], 0
        names = sorted(self._desk.versions())
        return [self._desk.deployed(name) for name in names[:LIMIT]], max(len(names) - LIMIT, 0)


def _asked(call: Call) -> str:
    return parse_qs(call.query).get("deployment", [""])[-1]
