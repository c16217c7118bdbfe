"""Where a request comes from, and the note of who calls that is left on it."""

from __future__ import annotations

from starlette.types import Scope

from noria.core.errors import NoriaError
from noria.core.rights import Principal, Right

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""What callers on this machine call it."""


class HostRefused(NoriaError):
    """A request that names a host this server does not answer for (DNS rebinding)."""

    code, fix = "host-refused", "open the page as http://127.0.0.1:<port>, or list the host name in the server's settings"


def address_of(scope: Scope) -> str:
    """Where a request comes from; "" when that is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def noted(scope: Scope, principal: Principal, right: Right, project: str, what: str = "") -> None:
    """Leave a note of who calls for the record (`noria.server.recording`)."""
    scope.setdefault("state", {})["noria.called"] = {"principal": principal, "right": right, "project": project, "what": what}


def host_name(host: str) -> str:
    """The host's name without its port; IPv6 keeps its brackets."""
    return (host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]).lower()
