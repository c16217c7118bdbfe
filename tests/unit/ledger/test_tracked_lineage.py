"""Runs that clients logged stand in the lineage with what they took in and the versions made of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from noria.adapters.sqlite import Sqlite
from noria.core.lineage import Kind, Node
from noria.ledger.lineage.tracked import weave
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of

MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1_000)


def filled(tmp_path, source: str, project: str = "default") -> Sqlite:
    store = Sqlite(tmp_path / "noria.db")

    def work(tx) -> None:
        tx.run("INSERT INTO noria_experiments VALUES (1, ?, 'tasting', '', 'active', 1, 1)", (project,))
        for row, (id, deleted) in enumerate((("a1", None), ("b2", MS)), 1):
            tx.run(
                "INSERT INTO noria_runs (row, id, experiment, name, person, status, state, start_ms, end_ms, deleted_ms, artifacts)"
                " VALUES (?, ?, 1, ?, 'ann', 'FINISHED', 'active', ?, ?, ?, '')",
                (row, id, f"run {id}", MS, MS, deleted),
            )
            tx.run("INSERT INTO noria_inputs VALUES (?, 1, 'training', '{}')", (row,))
        tx.run("INSERT INTO noria_datasets VALUES (1, 1, 'wine', '8f3a', 'local', ?, '', '')", (source,))
        tx.run("INSERT INTO noria_models VALUES (1, ?, 'cellar', '', 'ann', '', 0, 1, ?, ?)", (project, MS, MS))
        tx.run("INSERT INTO noria_model_versions VALUES (1, 1, '', 'ann', 'None', '', '', 'a1', '', '', ?, ?)", (MS, MS))

    store.write(work)
    return store


def test_a_registered_version_leads_to_its_run_and_to_what_that_took_in(tmp_path):
    store = filled(tmp_path, json.dumps({"uri": "file:///data/wine/red.parquet"}))
    web = web_of(store)
    web.node(Node(kind=Kind.TABLE, name="file//data/wine/*.parquet", note="/data/wine/*.parquet"))
    weave(web, store)
    up = {node.id for node in lineage_of(web, "cellar@1", down=False).nodes}
    assert up == {"version:cellar@1", "run:a1", "data:wine#8f3a", "table:file//data/wine/*.parquet"}
    down = {node.id for node in lineage_of(web, "8f3a", up=False).nodes}
    assert down == {"data:wine#8f3a", "run:a1", "version:cellar@1"}
    assert lineage_of(web, "run a1").of == ("run:a1",)


def test_a_source_that_names_no_place_is_no_mistake(tmp_path):
    for number, source in enumerate(("", "[]", '{"tags": {}}', "wine.csv")):
        (tmp_path / str(number)).mkdir()
        store = filled(tmp_path / str(number), source)
        web = web_of(store)
        weave(web, store)
        assert len(lineage_of(web, "wine").nodes) == 3


def test_what_belongs_to_another_project_is_not_told(tmp_path):
    store = filled(tmp_path, "wine.csv", project="secret")
    web = web_of(store)
    weave(web, store)
    assert not web.nodes
