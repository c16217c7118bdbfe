"""Mistakes in the family that a loop asks for are found before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import noria as nr
from noria.core.schema import Kind, Task
from noria.loop.declared_conduct import Known
from noria.loop.declared_family import mistakes_of_family

SHOP = nr.Dataset("shop", "shop.parquet", key="order", time="at")
LOOP = nr.Loop("orders", features=[SHOP["a"]], label=nr.Label(SHOP["returned"]), train=lambda data, params: None)
COLUMNS = {"order": Kind.TEXT, "at": Kind.TIME, "a": Kind.FLOAT, "city": Kind.TEXT, "store": Kind.INT, "returned": Kind.BOOL}


def wrong(family: nr.Family | None, task: Task = Task.BINARY) -> str:
    known = Known(columns=COLUMNS, features={"a"}, tasks=[task], folder=Path())
    return " · ".join(f"{part}: {said} → {mend}" for part, said, mend in mistakes_of_family(replace(LOOP, family=family), known))


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (nr.Family(by="citty"), "did you mean 'city'"),
        (nr.Family(by="returned"), "the label 'returned' cannot name the partition"),
        (nr.Family(by="a"), "'a' holds"),
        (nr.Family(by="city", min_rows=0), "min_rows=0"),
        (nr.Family(by="city", keep=1.0), "keep=1"),
        (nr.Family(by="city", fdr=0.0), "fdr=0"),
    ],
)
def test_a_family_that_makes_no_sense_is_named(family: nr.Family, said: str) -> None:
    assert said in wrong(family)


def test_a_ranking_has_no_families() -> None:
    assert "a ranking task has no families" in wrong(nr.Family(by="city"), Task.RANKING)


@pytest.mark.parametrize("family", [None, nr.Family("city"), nr.Family(by="store", min_rows=50, keep=0.05, fdr=0.05)])
def test_a_sound_family_is_not_remarked_upon(family: nr.Family | None) -> None:
    assert wrong(family) == wrong(family, Task.REGRESSION) == ""
