"""Asks a home's data plane how it is."""

from __future__ import annotations

import httpx

from noria.app.certificates import client_context
from noria.app.settings import Settings, token
from noria.app.supervisor import addresses
from noria.core.errors import NoriaError
from noria.loop.attending import PlaneNumbers


def plane_numbers(settings: Settings, *, timeout_s: float = 5.0) -> PlaneNumbers | None:
    """What the data plane says of itself; None when it does not answer."""
    url = f"{addresses(settings)['dataplane']}/plan"
    try:
        answer = httpx.get(url, headers={"authorization": f"Bearer {token(settings)}"}, timeout=timeout_s, verify=client_context(settings))
        told = answer.raise_for_status().json()
        return PlaneNumbers(problems=told["problems"], counters=told["counters"])
    except (httpx.HTTPError, NoriaError, ValueError, KeyError, TypeError):
        return None
