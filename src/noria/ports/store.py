"""One database for both: what is kept as documents and events, and what is searched in tables."""

from __future__ import annotations

from typing import Protocol

from noria.ports.records import Records
from noria.ports.sql import Sql


class Store(Records, Sql, Protocol):
    """Documents, events and tables; `Tx.file` writes all of them in one transaction."""
