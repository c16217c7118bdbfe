"""Open connections to one file, each used by one thread at a time; a forked child opens its own."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noria.core.errors import Unavailable

BUSY_S = 30.0
"""How long a writer waits for another process's commit."""

_CHECKPOINT_PAGES = 8_192
"""Of the log (32 MB) before a commit has to empty it by itself; `Sqlite.flush` does so earlier, where nobody waits."""

_STATEMENTS = 256


class Connections:
    """The pool. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.idle: list[sqlite3.Connection] = []
        self.inherited: list[object] = []
        self._pid = os.getpid()

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """A connection for one call.

        Raises:
            Unavailable: the file cannot be opened or read.
        """
        self.forked()
        try:
            db = self.idle.pop()
        except IndexError:
            db = open_file(self.path)
        try:
            yield db
        except sqlite3.OperationalError as error:
            db.close()
            raise self.unavailable(error) from error
        except BaseException:
            db.close()
            raise
        self.idle.append(db)

    def forked(self) -> bool:
        """Whether this is a child that was forked since the last call; its parent's connections are put aside, not closed."""
        if self._pid == os.getpid():
            return False
        self.inherited.append(self.idle)
        self.idle, self._pid = [], os.getpid()
        return True

    def close(self) -> None:
        """Close those that nobody uses."""
        while self.idle:
            self.idle.pop().close()

    def unavailable(self, error: sqlite3.OperationalError) -> Unavailable:
        """What a failure of the file is to whoever called."""
        return Unavailable(f"the records in {self.path} do not answer: {error}")


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file in WAL mode, one fsync a commit.

    Raises:
        Unavailable: it cannot be opened, or is no database.
    """
    give_up = time.monotonic() + BUSY_S
    while True:
        try:
            db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the records in {path} cannot be opened: {error}") from error
        try:
            # Several processes that create one file together: SQLite answers "locked" here without waiting.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA fullfsync = ON")
            db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            db.create_function("regexp", 2, _matches, deterministic=True)
            return db
        except sqlite3.DatabaseError as error:
            db.close()
            if not isinstance(error, sqlite3.OperationalError) or time.monotonic() > give_up:
                raise Unavailable(f"the records in {path} cannot be opened: {error}") from error
            time.sleep(0.01)


def _matches(pattern: str, value: str | None) -> bool:
    return value is not None and re.search(pattern, value) is not None
