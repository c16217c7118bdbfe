"""Send what is left in the spool: what `noria sync` does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from noria.client import files, kept, place
from noria.client.connection import Connection, Refused, Unreached
from noria.client.place import Place
from noria.client.sending import Delivery

log = logging.getLogger("noria.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A run that waits.

    Attributes:
        folder: Where it lies; the folder's name is the run's id.
        place: Where it belongs; its `url` is "" when no server is known.
        size_bytes: Of entries and files that wait.
        files: Files among them.
    """

    folder: Path
    place: Place
    size_bytes: int
    files: int


@dataclass(slots=True)
class Synced:
    """What became of it.

    Attributes:
        runs: Runs that are with the server, whole.
        busy: Runs that another process is sending now.
        left: Runs that are not, or not whole, with the reason.
        refused: Entries and files that the server does not want; they are kept in `refused.jsonl` on their shelf.
    """

    runs: int = 0
    entries: int = 0
    files: int = 0
    refused: int = 0
    busy: int = 0
    left: dict[str, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def left_in(where: Place) -> list[Left]:
    """Runs that wait in the spool, shelf by shelf, oldest first."""
    return [
        Left(folder=folder, place=belongs, size_bytes=_size(folder), files=sum(1 for _ in files.waiting_in(folder)))
        for shelf, belongs in place.shelves(where)
        for folder in kept.runs_in(shelf)
    ]


def sync(left: list[Left], *, step: Callable[[Left, int], None] = lambda _run, _entries: None) -> Synced:
    """Send runs that wait; may be interrupted and asked again at any time.

    Args:
        step: Told of every batch of a run that has arrived: its entries; 0 = the run is done with.
    """
    told = Synced()
    out_of_reach: dict[str, str] = {}
    connections: dict[Place, Connection] = {}
    try:
        for run in left:
            reason = "no server is known" if not run.place.url else out_of_reach.get(run.place.url, "")
            if not reason:
                connection = connections.setdefault(run.place, Connection(run.place))
                reason = _send(run, connection, step, told, out_of_reach)
            if reason:
                told.left[run.folder.name] = reason
            step(run, 0)
    finally:
        for connection in connections.values():
            connection.close()
    return told


def _send(run: Left, connection: Connection, step: Callable[[Left, int], None], told: Synced, out_of_reach: dict[str, str]) -> str:
    """Send one; the reason why it is not with the server, or ""."""

    def arrived(entries: int) -> None:
        told.entries += entries
        step(run, entries)

    delivery = Delivery(connection, step=arrived)
    try:
        sent = delivery.send(run.folder)
    except (Unreached, Refused) as error:
        if isinstance(error, Unreached) or error.status in (401, 403, 404):
            out_of_reach[run.place.url] = str(error)
        return str(error)
    told.files += sent.files
    told.refused += sent.refused
    told.reasons += sent.reasons
    if sent.busy:
        told.busy += 1
        return "another process is sending it"
    if sent.unsent:
        return sent.unsent
    if run.folder.exists():
        return "it still goes on" if any(not kept.written_by_nobody(file) for file in kept.files_of(run.folder)) else "some of it is left"
    told.runs += 1
    return ""


def _size(folder: Path) -> int:
    total = 0
    for one in folder.rglob("*"):
        try:
            total += one.stat().st_size
        except OSError:
            continue
    return total - sum(kept.acknowledged(file) for file in kept.files_of(folder))
