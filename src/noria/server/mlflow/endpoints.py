"""What an endpoint of the protocol is: a path, a right, and a function from what is asked to what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from noria.core.rights import Principal, Right
from noria.ledger.book import Ledger
from noria.ledger.models.house import House, NullHouse
from noria.ports.clock import Clock
from noria.ports.store import Store

if TYPE_CHECKING:
    from noria.loop.hooks import Hooks
    from noria.ports.blobs import BlobStore

V2, V3 = "/api/2.0/mlflow/", "/api/3.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/"
BODY_BYTES = 32 * 1024 * 1024
"""Of a body that is read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What the endpoints are given. Thread-safe.

    Attributes:
        store: Documents and tables; `store.write` files both in one transaction.
        direct_downloads: Whether who downloads in parts gets addresses of the blob store, where it has any.
        wall: Wall time: what clients log carries their own.
        house: What loops and deployments registered.
        hooks: Delivers webhooks; None = nobody does.
    """

    store: Store
    ledger: Ledger
    blobs: BlobStore
    wall: Clock
    direct_downloads: bool = False
    random: Random = field(default_factory=Random)
    house: House = field(default_factory=NullHouse)
    hooks: Hooks | None = None

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970."""
        return int(self.wall.now().timestamp() * 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer that is not a JSON object."""

    body: bytes = b"{}"
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[..., Any]
"""Of (tracking, asked): returns a JSON object (None = empty) or `Said`. A hot one returns the work of a transaction;
a streaming one is a coroutine function of (tracking, asked, receive, send)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path, or on one pattern of paths such as `…/{model_id}/tags`; `{path:path}` takes slashes too.

    Attributes:
        handler: Runs in a thread of its own, unless `hot` or `streams`.
        right: What the caller's role must have in the project.
        hot: The handler only decodes; the work that it returns is done together with all that came in the same
            moment, and answered by an empty object. It survives a power cut after a second.
        streams: The handler reads the body and writes the answer itself.
        house: It is about projects themselves, not about what is in one: the header names none. To change anything takes the
            right in every project; what is only viewed is for whoever is known, and the handler leaves out what they may not see.
        founds: A project that is not there is made, when the caller might make it: our own client names it and has no other way.
        ajax: Whether the twin under /ajax-api is the only one.
    """

    method: str
    path: str
    handler: Handler
    right: Right
    hot: bool = False
    streams: bool = False
    ajax: bool = False
    house: bool = False
    founds: bool = False


class Callers(Protocol):
    """Says who calls, as `noria.server.door.Door.enter` does."""

    async def __call__(self, headers: Mapping[str, str], *, method: str, address: str) -> Principal:
        """The caller.

        Raises:
            NoriaError: what the door says to strangers.
        """
        ...
