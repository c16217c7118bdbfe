"""A home's records, blobs and prediction log, copied into a folder and put back; and what migrations would do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from noria import __version__
from noria.adapters.files import Files
from noria.adapters.sqlite.backups import before_migration, copy
from noria.adapters.sqlite.formats import behind
from noria.adapters.system_clock import SystemClock
from noria.app.processes import NAMES, pid_of
from noria.app.settings import FILE, Settings
from noria.app.storing import open_blobs
from noria.app.wiring import open_records
from noria.core.errors import NotAllowed, NotFound
from noria.core.formats import Behind

CARD, RECORDS = "backup.json", "noria.db"
VERSION = 1


@runtime_checkable
class Closes(Protocol):
    """What holds connections."""

    def close(self) -> None: ...  # noqa: D102


Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a folder holds; `blobs` and `log_files` count all that lies there, `copied_bytes` what came this time."""

    folder: str
    at: str
    noria: str
    records_bytes: int
    blobs: int
    log_files: int
    copied_bytes: int
    version: int = VERSION


def waiting(settings: Settings) -> list[Behind]:
    """What opening the records would migrate; they stay as they are.

    Raises:
        NotAllowed: a newer Noria wrote them.
    """
    if settings.records == "sqlite":
        return behind(settings.folder / RECORDS)
    from noria.adapters.postgres import waiting as in_postgres

    return in_postgres(settings.records)


def migrate(settings: Settings) -> None:
    """Lead the records to this Noria's format: opening them does.

    Raises:
        NotAllowed: a newer Noria wrote them.
        Unavailable: they do not answer, or could not be copied first.
    """
    opened = open_records(settings)
    if isinstance(opened, Closes):
        opened.close()


def dump_command(settings: Settings) -> str:
    """How a database on a server is copied, without its password."""
    parts = urlsplit(settings.records)
    where = [
        f"-h {parts.hostname}" if parts.hostname else "",
        f"-p {parts.port}" if parts.port else "",
        f"-U {parts.username}" if parts.username else "",
    ]
    return " ".join(filter(None, ["pg_dump -Fc", *where, f"-d {parts.path.lstrip('/') or 'postgres'}", "-f noria.dump"]))


def backup(settings: Settings, folder: Path, *, told: Told = lambda said: None) -> Backup:
    """Copy a home into a folder while it runs; what is there already from an earlier backup is not copied again.

    Records are copied first, as of one moment, so that every blob that they name is in the store when blobs are copied.

    Raises:
        NotAllowed: records are on a server, whose own tools copy them; or the folder holds something else.
        Unavailable: there is no room.
    """
    _on_files(settings)
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD).exists():
        raise NotAllowed(f"{folder} holds something that is no backup", fix="name a new folder, or one of an earlier backup")
    folder.mkdir(parents=True, exist_ok=True)
    told("copying records")
    copy(settings.folder / RECORDS, folder / RECORDS)
    store, kept = open_blobs(settings), Files(folder / "blobs")
    copied, count = (folder / RECORDS).stat().st_size, 0
    for digest in store.digests():
        count += 1
        if not kept.has(digest):
            told(f"copying blobs, {count:,}")
            place = store.path(digest)
            if kept.put(place) != digest:
                raise NotFound(f"blob {digest} does not hold what its name says", fix="`noria doctor` compares records and blobs")
            copied += place.stat().st_size
    told("copying the prediction log")
    came, files = _mirror(settings.folder / "log", folder / "log")
    if (settings.folder / FILE).exists():
        shutil.copyfile(settings.folder / FILE, folder / FILE)
    made = Backup(
        folder=str(folder),
        at=SystemClock().now().isoformat(timespec="seconds"),
        noria=__version__,
        records_bytes=(folder / RECORDS).stat().st_size,
        blobs=count,
        log_files=files,
        copied_bytes=copied + came,
    )
    (folder / CARD).write_text(json.dumps(asdict(made), indent=2))
    return made


def restore(settings: Settings, folder: Path, *, told: Told = lambda said: None) -> Backup:
    """Put a backup back into a home that stands still; the records that it had are copied into its `backups/` first.

    Blobs are checked against their digests. Blobs and log files that the home has beyond the backup stay.

    Raises:
        NotFound: the folder holds no backup.
        NotAllowed: a process of the home runs, records are on a server, or a newer Noria wrote the backup.
    """
    _on_files(settings)
    try:
        card = Backup(**json.loads((folder / CARD).read_text()))
    except (FileNotFoundError, TypeError, ValueError) as error:
        raise NotFound(f"there is no backup in {folder}", fix="`noria backup FOLDER` makes one") from error
    running = [name for name in NAMES if pid_of(settings.folder, name)]
    if running:
        raise NotAllowed(f"the {' and the '.join(running)} of {settings.folder} run", fix="`noria stop` ends them")
    behind(folder / RECORDS)
    store, kept = open_blobs(settings), Files(folder / "blobs")
    for number, digest in enumerate(kept.digests(), 1):
        if not store.has(digest):
            told(f"putting blobs back, {number:,}")
            if store.put(kept.path(digest)) != digest:
                raise NotFound(f"blob {digest} in {folder} does not hold what its name says", fix="take another backup")
    _mirror(folder / "log", settings.folder / "log")
    told("putting records back")
    records = settings.folder / RECORDS
    if records.exists():
        before_migration(records, "restore")
        for left in (f"{RECORDS}-wal", f"{RECORDS}-shm"):
            (settings.folder / left).unlink(missing_ok=True)
    copy(folder / RECORDS, records)
    if (folder / FILE).exists() and not (settings.folder / FILE).exists():
        shutil.copyfile(folder / FILE, settings.folder / FILE)
    return card


def _on_files(settings: Settings) -> None:
    if settings.records != "sqlite":
        raise NotAllowed(
            "records are on PostgreSQL, whose own tools copy them as of one moment", fix=f"`{dump_command(settings)}`, and pg_restore"
        )


def _mirror(source: Path, target: Path) -> tuple[int, int]:
    """Copy files that are not there, or of another size; returns bytes copied and files seen."""
    copied = seen = 0
    for file in _files(source):
        seen += 1
        there = target / file.relative_to(source)
        size = file.stat().st_size
        if not there.exists() or there.stat().st_size != size:
            there.parent.mkdir(parents=True, exist_ok=True)
            unfinished = there.with_name(f".{there.name}.new")
            shutil.copyfile(file, unfinished)
            unfinished.replace(there)
            copied += size
    return copied, seen


def _files(folder: Path) -> Iterable[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith("."))
