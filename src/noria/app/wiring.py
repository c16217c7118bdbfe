"""Which part is in which socket: the whole container on one screen."""

from __future__ import annotations

import os
import socket
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from noria import __version__
from noria.adapters.journal_files import FileJournalReader
from noria.adapters.processes import Processes
from noria.adapters.sqlite import Sqlite
from noria.adapters.system_clock import SystemClock
from noria.adapters.turned_clock import TurnedClock
from noria.app.channels import HomeChannels
from noria.app.clocks import open_clock
from noria.app.settings import Settings
from noria.app.storing import open_blobs
from noria.core.errors import SettingsInvalid
from noria.core.moments import duration
from noria.durable.engine import Engine
from noria.ledger.access.access import Access
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.clock import Clock, TurnableClock
from noria.ports.lineage import LineageSink
from noria.ports.store import Store
from noria.ports.telemetry import Telemetry

if TYPE_CHECKING:
    from noria.loop.world import World


def build(settings: Settings) -> World:
    """Fill every socket as the settings say."""
    from noria.adapters.lmdb import Lmdb
    from noria.loop.world import Cadence, World

    home = settings.folder
    home.mkdir(parents=True, exist_ok=True)
    records, clock, wall = open_records(settings), open_clock(settings), SystemClock()
    return World(
        home=home,
        records=records,
        blobs=open_blobs(settings),
        online=Lmdb(home / "online.lmdb"),
        journal=FileJournalReader(home / "journal"),
        launcher=Processes(),
        channels=HomeChannels(home, wall=wall),
        clock=clock,
        wall=wall,
        ledger=Ledger(records, clock=clock, wall=wall),
        documents=Documents(records),
        engine=Engine(records, clock=clock, wall=wall, owner=process_name(), lease=timedelta(seconds=settings.lease_s)),
        job_command=(sys.executable, "-m", "noria.app.job", str(home)),
        cadence=Cadence(compact=duration(settings.compact_every), look=duration(settings.look_every), bucket=duration(settings.bucket)),
        store=records,
        page=settings.page_url or f"{settings.scheme}://{settings.host}:{settings.port}",
    )


def open_records(settings: Settings) -> Store:
    """The records that the settings name.

    Raises:
        SettingsInvalid: neither "sqlite" nor a PostgreSQL URL, or the extra is not installed.
    """
    if settings.records == "sqlite":
        settings.folder.mkdir(parents=True, exist_ok=True)
        return Sqlite(settings.folder / "noria.db")
    if settings.records.startswith(("postgres://", "postgresql://")):
        try:
            from noria.adapters.postgres import Postgres
        except ImportError as error:
            raise SettingsInvalid("records are on PostgreSQL, but its driver is missing", fix='pip install "noria[postgres]"') from error
        return Postgres(settings.records)
    raise SettingsInvalid(f"records is {settings.records!r}", fix="write 'sqlite' or a postgresql:// URL")


def open_access(world: World) -> Access:
    """Who may do what, as a world's records have it."""
    from noria.adapters.argon import Argon

    return Access(world, Argon(), world.store)


def open_telemetry(settings: Settings) -> Telemetry | None:
    """The collector that the settings name; None = nobody is told.

    Raises:
        SettingsInvalid: the extra is not installed.
    """
    if not settings.otlp:
        return None
    try:
        from noria.adapters.otlp import Otlp
    except ImportError as error:
        raise SettingsInvalid("a collector is named, but OpenTelemetry is missing", fix='pip install "noria[otel]"') from error
    return Otlp(settings.otlp, version=__version__)


def open_lineage(settings: Settings) -> LineageSink | None:
    """Where turns are told of by OpenLineage; None = nobody is told."""
    if not settings.openlineage:
        return None
    from noria.adapters.openlineage import OverHttp, ToFile

    if settings.openlineage.startswith(("http://", "https://")):
        return OverHttp(settings.openlineage, key=settings.openlineage_key)
    return ToFile(settings.folder / settings.openlineage.removeprefix("file://"))


def system_clock() -> Clock:
    """Wall time."""
    return SystemClock()


def turnable_clock(settings: Settings, *, start: datetime) -> TurnableClock:
    """The home's event clock for whoever turns it; begins at `start` where it is new."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    return TurnedClock(settings.folder / "clock", start=start)


def process_name() -> str:
    """A name that no other living process has."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
