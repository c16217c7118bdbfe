"""Lineage of a whole loop, both ways: from where data are read to a single answer."""

from __future__ import annotations

import pytest

from noria.core.data import DatasetVersion
from noria.core.errors import NotFound
from noria.core.lineage import Ingredients, Lineage
from noria.core.turning import Turn
from noria.ledger.lineage.upstream import take
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of
from noria.loop.answered import answered_by
from noria.loop.world import World


def kinds(found: Lineage) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for node in found.nodes:
        told.setdefault(str(node.kind), []).append(node.name)
    return {kind: sorted(names) for kind, names in told.items()}


def lived(noria, margin: float) -> World:
    one = noria(margin=margin)
    one.be_born()
    one.days(2)
    one.verbs.turn("orders", by="anna", reason="more")
    one.settle()
    return one.world


@pytest.fixture
def world(noria):
    return lived(noria, 1.0)


def test_a_run_that_was_refused_has_its_data_too(noria):
    world = lived(noria, -1.0)
    refused = world.documents.find(Turn)[1]
    told = kinds(lineage_of(web_of(world.records), refused.id))
    assert refused.state == "refused" and "version" not in told
    assert len(told["data"]) == 2 and told["dataset"] == ["shop", "town"]


def test_lineage_is_told_both_ways(world):
    def asked(what: str, **how) -> dict[str, list[str]]:
        return kinds(lineage_of(web_of(world.records), what, asked=lambda id: answered_by(world, id), **how))

    made = {one.number: one for one in world.documents.find(Ingredients)}
    assert made[1].features == {"a": "dataset shop", "b": "dataset shop", "heat": "view heat", "ab": "on demand"}
    assert made[1].sources["shop"].endswith("/history.parquet")

    up = asked("orders@1", down=False)
    assert up["data"] == sorted(made[1].datasets.values()) and up["dataset"] == ["shop", "town"] and up["view"] == ["orders/heat"]
    assert [name.rpartition("/")[2] for name in up["table"]] == ["history.parquet", "town.parquet"]
    assert "deployment" not in up and "feature" not in up

    grown = next(one for one in world.documents.find(DatasetVersion) if one.name == "shop" and one.digest != made[1].datasets["shop"])
    down = asked(grown.digest, up=False)
    assert down["version"] == ["orders@2"]
    assert asked(grown.digest[7:19]) == asked(grown.digest)

    heat = asked("heat", up=False)
    assert heat["version"] == ["orders@1", "orders@2"] and heat["deployment"] == ["orders"]
    assert asked("view:heat", up=False).get("feature") is None

    answer = asked("o9000", down=False)
    assert answer["version"] == ["orders@1"] and answer["prediction"] == ["o9000"] and answer["data"] == up["data"]
    run = asked(made[1].turn)
    assert run["version"] == ["orders@1"] and len(run["run"]) == 1
    with pytest.raises(NotFound, match="nothing on record is called"):
        asked("no-such-thing")


def test_a_job_of_another_system_stands_above_what_it_wrote(world):
    place = world.documents.find(Ingredients)[0].sources["shop"]
    event = {
        "eventType": "START",
        "eventTime": "2024-01-01T00:00:00Z",
        "run": {"runId": "r1"},
        "job": {"namespace": "dbt", "name": "orders"},
        "inputs": [{"namespace": "postgres://shop", "name": "public.orders"}],
    }
    wrote = {"namespace": "s3://lake", "name": "orders", "facets": {"symlinks": {"identifiers": [{"namespace": "file", "name": place}]}}}
    for told in (event, {**event, "eventType": "COMPLETE", "eventTime": "2024-01-01T01:00:00Z", "inputs": [], "outputs": [wrote]}, event):
        assert take(world.documents, told, by="t")
    up = kinds(lineage_of(web_of(world.records), "orders@1", down=False))
    assert up["job"] == ["dbt/orders"] and "postgres://shop/public.orders" in up["table"]
    down = kinds(lineage_of(web_of(world.records), "public.orders", up=False))
    assert down["version"] == ["orders@1", "orders@2"]


def test_an_answer_is_bounded_and_says_so(world):
    found = lineage_of(web_of(world.records), "dataset:shop", most=4)
    assert len(found.nodes) == 4 and found.left_out > 0
