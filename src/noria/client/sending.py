"""Send what one run's folder holds, entry by entry in order; what the server has is noted, so that nothing is lost and little sent twice."""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noria.client import files, kept
from noria.client.connection import Connection, Refused, Unreached
from noria.client.entries import entry
from noria.client.spool import MAGIC, Spool, dead_owners

ENTRIES = "/api/v1/tracking/entries"
REFUSED_FILE = "refused.jsonl"
_SPLIT = frozenset({400, 413, 422})
"""Statuses that may be one entry's fault, or the fault of how many they are."""

log = logging.getLogger("noria.client")


@dataclass(slots=True)
class Sent:
    """What was done for a run.

    Attributes:
        entries: Entries that the server has now.
        refused: Of these, how many it does not want; they lie in `refused.jsonl` in the spool.
        files: Files that the server has now.
        busy: Whether another process is sending them.
        unsent: Why files of the run are left, "" = none are.
        reasons: What the server, or the disk, had against single things.
    """

    entries: int = 0
    refused: int = 0
    files: int = 0
    busy: bool = False
    unsent: str = ""
    reasons: list[str] = field(default_factory=list)


class Delivery:
    """Sends runs over one connection.

    Args:
        step: Called with the number of entries whenever some have arrived.
    """

    def __init__(self, connection: Connection, *, step: Callable[[int], None] = lambda _: None) -> None:
        self._connection = connection
        self._step = step
        self._unnoted: dict[Path, int] = {}
        self._homes: dict[str, str] = {}

    def send(self, folder: Path, spool: Spool | None = None, *, stop: Callable[[], bool] = lambda: False) -> Sent:
        """Send all that the folder, and the memory of its own process, hold now; or, once `stop` says so, no more of it.

        Raises:
            Unreached, Refused: the rest is left for later.
        """
        sent = Sent()
        try:
            with kept.alone(folder) as mine:
                if not mine:
                    sent.busy = True
                    return sent
                for file in kept.files_of(folder):
                    if self._send_file(folder, file, sent, stop):
                        return sent
                for marker in dead_owners(folder):
                    self._deliver(folder, [entry(int(_written_at(folder) * 1000), "died", {})], sent)
                    marker.unlink(missing_ok=True)
                self._send_files(folder, sent)
                kept.forget_folder(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.debug("the spool %s cannot be read: %s", folder, error)
        if spool is not None and (waiting := spool.waiting()):
            self._deliver(folder, waiting, sent)
            spool.took(len(waiting))
        return sent

    def _send_file(self, folder: Path, file: Path, sent: Sent, stop: Callable[[], bool]) -> bool:
        """Send what follows in one file; whether it was stopped in this."""
        while True:
            if stop():
                return True
            left = kept.written_by_nobody(file)
            batch = kept.next_batch(file, after=self._unnoted.get(file, 0))
            if not batch.entries:
                break
            self._deliver(folder, batch.entries, sent)
            try:
                kept.acknowledge(file, batch.end)
            except OSError:
                self._unnoted[file] = batch.end
        if left:
            self._take_leave(folder, file, batch, sent)
        return False

    def _take_leave(self, folder: Path, file: Path, batch: kept.Batch, sent: Sent) -> None:
        """Remove a file that nobody writes to any more; what is unreadable in it is kept beside it, and told."""
        if batch.broken and file.stat().st_size > len(MAGIC):
            reason = f"{file} cannot be read from byte {batch.end} on"
            log.warning("%s; it is kept as %s.broken", reason, file.name)
            sent.reasons.append(reason)
            file.replace(folder.parent / f"{folder.name}-{file.name}.broken")
        kept.forget(file)
        self._unnoted.pop(file, None)

    def _send_files(self, folder: Path, sent: Sent) -> None:
        for waiting in files.waiting_in(folder):
            home = self._homes.get(folder.name) or self._ask_home(folder.name)
            try:
                self._connection.put_file(f"{home}/{waiting.path}", waiting.content)
            except FileNotFoundError:
                waiting.forget()
                continue
            except Refused as error:
                if error.status in (401, 403, 404):
                    sent.unsent = str(error)
                    return
                sent.refused += 1
                sent.reasons.append(f"{waiting.path}: {error}")
                log.warning("the file %s was refused: %s", waiting.path, error)
            waiting.forget()
            sent.files += 1

    def _ask_home(self, run: str) -> str:
        """Where the run's files belong: the artifact proxy's address."""
        told = self._connection.get(f"/api/2.0/mlflow/runs/get?run_id={run}")
        try:
            uri = str(told["run"]["info"]["artifact_uri"])
        except (KeyError, TypeError) as error:
            raise Unreached("the server does not say where the run's files belong") from error
        if not uri.startswith("mlflow-artifacts:/"):
            raise Unreached(f"the run's files belong at {uri}, which the client cannot reach")
        self._homes[run] = "/api/2.0/mlflow-artifacts/artifacts/" + uri.removeprefix("mlflow-artifacts:").lstrip("/")
        return self._homes[run]

    def _deliver(self, folder: Path, entries: Sequence[bytes], sent: Sent) -> None:
        body = b'{"runs":[{"run":"%s","entries":[%s]}]}' % (folder.name.encode(), b",".join(entries))
        try:
            told = self._connection.post(ENTRIES, packed(body), {"content-type": "application/gzip"})
        except Refused as error:
            if error.status not in _SPLIT:
                raise
            if len(entries) > 1:
                half = len(entries) // 2
                self._deliver(folder, entries[:half], sent)
                self._deliver(folder, entries[half:], sent)
                return
            told = {"taken": 1, "refused": [{"index": 0, "message": str(error)}]}
        if not isinstance(told, dict) or told.get("taken") != len(entries):
            raise Unreached("the server's answer makes no sense; is it a Noria?")
        sent.entries += len(entries)
        self._step(len(entries))
        self._keep_refused(folder, entries, told.get("refused") or [], sent)

    def _keep_refused(self, folder: Path, entries: Sequence[bytes], refused: Sequence[dict[str, Any]], sent: Sent) -> None:
        if not refused:
            return
        lines = []
        for one in refused:
            index, message = int(one.get("index", 0)), str(one.get("message", ""))
            sent.reasons.append(message)
            lines.append(b'{"run":"%s","message":%s,"entry":%s}\n' % (folder.name.encode(), json.dumps(message).encode(), entries[index]))
        sent.refused += len(lines)
        try:
            descriptor = os.open(folder.parent / REFUSED_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as out:
                out.write(b"".join(lines))
        except OSError as error:
            log.debug("refused entries cannot be kept: %s", error)


def _written_at(folder: Path) -> float:
    """When the run's folder was last written to by a process of the run, in seconds since 1970."""
    return max((one.stat().st_mtime for one in folder.iterdir()), default=folder.stat().st_mtime)


def packed(body: bytes) -> bytes:
    """The body as gzip, quick rather than small; the interpreter is free meanwhile."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
