"""Everything that a loop needs of the world, in one frozen value that `app` fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from noria.core.declaration.loop import Loop
from noria.durable.engine import Engine
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.blobs import BlobStore
from noria.ports.clock import Clock
from noria.ports.journal import JournalReader
from noria.ports.launcher import Launcher
from noria.ports.notify import Channels
from noria.ports.online import Online
from noria.ports.records import Records
from noria.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often, in event time, each regular duty is done.

    Attributes:
        compact: Move journal frames to the Parquet prediction log.
        look: Weigh the guards of a rollout.
        bucket: Width of a traffic point.
    """

    compact: timedelta = timedelta(seconds=10)
    look: timedelta = timedelta(seconds=15)
    bucket: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The sockets, filled.

    Attributes:
        home: Folder of this Noria (see `noria.app.settings`).
        channels: The ways to people.
        job_command: How a workshop is started; the turn's folder is appended.
        page: Address of the page, for links; "" = there is none.
        store: The database of `records` with its tables; None where only documents are kept.
    """

    home: Path
    records: Records
    blobs: BlobStore
    online: Online
    journal: JournalReader
    launcher: Launcher
    channels: Channels
    clock: Clock
    wall: Clock
    ledger: Ledger
    documents: Documents
    engine: Engine
    job_command: Sequence[str]
    cadence: Cadence = field(default_factory=Cadence)
    page: str = ""
    store: Store | None = None

    @property
    def log_folder(self) -> Path:
        """Where the Parquet prediction log is."""
        return self.home / "log"

    @property
    def plan_file(self) -> Path:
        """Where the routing plan is published."""
        return self.home / "plan" / "plan.json"

    @property
    def scratch(self) -> Path:
        """A folder for files in the making."""
        folder = self.home / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A loop as it is in force: its declaration and where that came from.

    Attributes:
        code: Digest of the code snapshot.
        folder: Folder that relative dataset paths start from.
    """

    loop: Loop
    code: str
    file: Path

    @property
    def folder(self) -> Path:
        """The loop file's own folder."""
        return self.file.parent
