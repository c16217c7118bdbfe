"""A database of each kind, with the registry in it."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from noria.adapters.sqlite import Sqlite
from noria.adapters.turned_clock import TurnedClock
from noria.ledger.book import Ledger
from noria.ledger.models.aliases import Aliases
from noria.ledger.models.models import Models
from noria.ledger.models.values import Who
from noria.ledger.models.versions import Versions


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def sql(request, tmp_path):
    if request.param == "sqlite":
        opened = Sqlite(tmp_path / "noria.db")
    else:
        from noria.adapters.postgres import Postgres

        opened = Postgres(request.getfixturevalue("postgres").database(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def registry(sql, tmp_path):
    clock = TurnedClock(tmp_path / "clock", start=datetime(2026, 3, 1, tzinfo=UTC))
    ledger = Ledger(sql, clock=clock, wall=clock)
    return SimpleNamespace(sql=sql, ledger=ledger, models=Models(sql, ledger), versions=Versions(sql, ledger), aliases=Aliases(sql, ledger))


@pytest.fixture
def ada():
    return Who(by="ada", at_ms=1_000)
