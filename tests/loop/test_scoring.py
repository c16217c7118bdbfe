"""Whole files scored by a loop's version: the same numbers as the data plane's, resumed after a kill, bad rows put aside."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from noria.core.errors import Conflict, DataInvalid, NotAllowed, NotFound
from noria.core.scoring import Scored
from noria.loop.scoring import score as scoring
from noria.loop.scoring.folder import Output
from noria.loop.scoring.score import Order, score
from noria.packaging import package
from noria.ports import wire
from noria.stages.registry import versions

LIBRARIES = {
    "lightgbm": "from lightgbm import LGBMClassifier as Model; more = dict(n_estimators=20, verbose=-1, num_threads=1)",
    "xgboost": "from xgboost import XGBClassifier as Model; more = dict(n_estimators=20, n_jobs=1)",
    "catboost": "from catboost import CatBoostClassifier as Model; "
    "more = dict(iterations=20, verbose=0, thread_count=1, allow_writing_files=False, random_seed=1)",
    "hist": "from sklearn.ensemble import HistGradientBoostingClassifier as Model; more = dict(max_iter=20)",
    "linear": "",
}
FORMS = {"lightgbm": "lightgbm", "xgboost": "onnx", "catboost": "onnx", "hist": "onnx", "linear": "onnx"}


def declared(text: str, library: str) -> str:
    if not LIBRARIES[library]:
        return text
    old = "    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(**params)).fit(data.X, data.y)"
    assert old in text
    return text.replace(old, f"    {LIBRARIES[library]}\n    return Model(**more).fit(data.X, data.y)").replace(
        'params={"C": 1.0}', "params={}"
    )


@pytest.fixture
def born(noria, declaration):
    def make(library: str = "linear"):
        if library in ("xgboost", "catboost"):
            pytest.importorskip(library)
        house = noria(declaration=declared(declaration, library), history_days=12)
        house.be_born()
        assert versions.get(house.world.records, "orders", 1).candidate.serving_form == FORMS[library]
        return house

    return make


def sent(house, orders: pl.DataFrame) -> list[float]:
    rows = orders.drop("returned").with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")).to_dicts()

    async def ask():
        return await house.desk.predict("orders", [(row["order"], row) for row in rows])

    return [answer.prediction for answer in house._on(ask())]


def read(folder) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file) for file in sorted(folder.glob("part-*.parquet"))])


@pytest.mark.parametrize("library", list(LIBRARIES))
def test_a_loop_of_every_library_is_born_and_scores_files_as_it_answers_requests(library, born, tmp_path):
    house = born(library)
    orders = house.shop.orders(house.today, 400)
    orders.write_parquet(tmp_path / "asked.parquet", row_group_size=90)
    house.clock.at = house.today
    record = score(
        house.world, Order(which="orders", inputs=[tmp_path / "asked.parquet"], out=tmp_path / "out", as_of=house.today, threads=2)
    )
    assert (record.complete, record.rows, record.bad, record.version) == (True, 400, 0, 1)
    answers = read(tmp_path / "out")
    assert answers.columns == ["order", "at", "prediction", "label", "version"]
    assert answers["order"].to_list() == orders["order"].to_list() and answers["at"].equals(orders["at"])
    assert answers["prediction"].to_list() == sent(house, orders)
    threshold = versions.get(house.world.records, "orders", 1).candidate.signature.threshold
    assert (answers["label"].cast(pl.String) == "true").to_list() == (answers["prediction"] >= threshold).to_list()
    (told,) = house.events("scored")
    assert told.numbers["rows"] == 400 and told.subject == "orders@1"


def test_each_row_sees_views_as_they_were_known_at_its_own_time(born, tmp_path):
    house = born()
    record = score(house.world, Order(which="orders@champion", inputs=["shop"], out=tmp_path / "own.parquet", threads=1))
    answers = pl.read_parquet(tmp_path / "own.parquet")
    history = pl.read_parquet(tmp_path / "history.parquet")
    assert record.complete and record.rows == answers.height == history.height
    version = versions.get(house.world.records, "orders", 1)
    scorer = package.load(version.candidate.artifact, blobs=house.world.blobs)
    town = pl.read_parquet(tmp_path / "town.parquet")
    place = 700
    order = history.row(place, named=True)
    seen = town.filter(pl.col("city") == order["city"], pl.col("at") <= order["at"], pl.col("known") <= order["at"]).sort("at")
    names = [field.name for field in version.candidate.signature.features]
    values = {"a": order["a"], "b": order["b"], "heat": seen["heat"][-1], "ab": order["a"] * order["b"]}
    expected = scorer.score(np.array([[values[name] for name in names]]))[0]
    assert answers["prediction"][place] == expected
    score(house.world, Order(which="orders", inputs=["shop"], out=tmp_path / "late", as_of=house.today))
    assert read(tmp_path / "late")["prediction"][place] != expected


def test_csv_and_json_lines_give_the_same_answers(born, tmp_path):
    house = born()
    orders = house.shop.orders(house.today, 150)
    text = orders.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    orders.write_parquet(tmp_path / "x.parquet")
    text.write_csv(tmp_path / "x.csv")
    text.write_ndjson(tmp_path / "x.jsonl")
    found = []
    for name in ("x.parquet", "x.csv", "x.jsonl"):
        score(house.world, Order(which="orders", inputs=[tmp_path / name], out=tmp_path / f"from-{name}-"))
        found.append(read(tmp_path / f"from-{name}-"))
    assert found[0].equals(found[1]) and found[0].equals(found[2])


def test_rows_that_a_request_would_be_refused_for_are_put_aside_with_their_reason(born, tmp_path):
    house = born()
    rows = house.shop.orders(house.today, 6).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_dicts()
    rows[1]["a"] = "much"
    rows[2]["at"] = "yesterday"
    del rows[3]["b"]
    rows[4]["a"] = True
    lines = [json.dumps(row) for row in rows]
    lines.insert(5, "{broken")
    (tmp_path / "bad.jsonl").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    record = score(house.world, Order(which="orders", inputs=[tmp_path / "bad.jsonl"], out=out))
    assert (record.rows, record.bad) == (2, 5)
    aside = [json.loads(line) for line in (out / record.parts[0].quarantine).read_text().splitlines()]
    assert [one["row"] for one in aside] == [1, 2, 3, 4, 5]
    said = [one["reason"] for one in aside]
    assert "'much'" in said[0] and "at must be a time" in said[1] and said[2] == "b is missing" and "no JSON" in said[4]
    assert aside[0]["key"] == rows[1]["order"]
    assert read(out)["order"].to_list() == [rows[0]["order"], rows[5]["order"]]
    orders = house.shop.orders(house.today, 4).with_columns(a=pl.Series([1.0, float("inf"), float("nan"), 2.0]))
    orders.write_parquet(tmp_path / "odd.parquet")
    record = score(house.world, Order(which="orders", inputs=[tmp_path / "odd.parquet"], out=tmp_path / "odd"))
    assert (record.rows, record.bad) == (2, 2)
    (tmp_path / "odd.csv").write_text(
        "order,at,city,a,b\nx,2024-01-13,ulm,1,2\ny,2024-01-13,ulm,1\nz,2024-01-13,ulm,1,2,3\nw,2024-01-13,ulm,2,2\n"
    )
    record = score(house.world, Order(which="orders", inputs=[tmp_path / "odd.csv"], out=tmp_path / "csv"))
    assert (record.rows, record.bad) == (2, 2)


def test_a_run_that_is_cut_off_goes_on_and_gives_the_same_answers(born, tmp_path, monkeypatch):
    house = born()
    for n in range(2):
        house.shop.orders(house.today, 500).write_parquet(tmp_path / f"in-{n}.parquet", row_group_size=100)
    monkeypatch.setattr(scoring.inputs, "CHUNK_ROWS", 50)
    order = Order(which="orders", inputs=[tmp_path / "in-*.parquet"], out=tmp_path / "out", part_rows=200, threads=2)
    whole = score(house.world, Order(which="orders", inputs=[tmp_path / "in-*.parquet"], out=tmp_path / "whole", part_rows=200))

    def stop_at(rows):
        def told(progress):
            if progress.rows >= rows:
                raise KeyboardInterrupt

        return told

    for rows in (330, 600):
        with pytest.raises(KeyboardInterrupt):
            score(house.world, order, progress=stop_at(rows))
        record = wire.load((tmp_path / "out" / "score.json").read_bytes(), Scored)
        assert not record.complete and record.rows == rows + (-rows) % 50
    first = record.parts[0]
    last = tmp_path / "out" / record.parts[-1].file
    last.write_bytes(last.read_bytes()[:-4])
    (tmp_path / "out" / "part-00099.parquet.new").write_bytes(b"half")
    seen = []
    record = score(house.world, order, progress=seen.append)
    assert record.complete and record.parts[0] == first
    assert seen[0].rows > 200 and seen[-1].share == 1.0
    assert read(tmp_path / "out").equals(read(tmp_path / "whole"))
    assert (record.rows, whole.rows) == (1000, 1000)
    assert not list((tmp_path / "out").glob("*.new"))
    asked = len(seen)
    assert score(house.world, order, progress=seen.append) == record and len(seen) == asked + 1


def test_other_inputs_or_another_version_begin_anew(born, tmp_path):
    house = born()
    file = tmp_path / "in.parquet"
    house.shop.orders(house.today, 100).write_parquet(file)
    order = Order(which="orders", inputs=[file], out=tmp_path / "out")
    one = score(house.world, order)
    house.shop.orders(house.today, 60).write_parquet(file)
    two = score(house.world, order)
    assert (one.rows, two.rows) == (100, 60) and one.parts[0].digest != two.parts[0].digest
    assert read(tmp_path / "out").height == 60


def test_what_cannot_be_scored_is_said(born, tmp_path):
    house = born()
    file = tmp_path / "in.parquet"
    house.shop.orders(house.today, 10).drop("a").write_parquet(file)
    with pytest.raises(DataInvalid, match="no column 'a'"):
        score(house.world, Order(which="orders", inputs=[file], out=tmp_path / "out"))
    with pytest.raises(NotFound, match="no loop or deployment 'nothing'"):
        score(house.world, Order(which="nothing", inputs=[file], out=tmp_path / "out"))
    with pytest.raises(NotFound, match="challenger"):
        score(house.world, Order(which="orders@challenger", inputs=[file], out=tmp_path / "out"))
    with pytest.raises(NotFound, match="no file matches"):
        score(house.world, Order(which="orders", inputs=["nowhere/*.parquet"], out=tmp_path / "out"))
    with pytest.raises(NotAllowed, match="holds other files"):
        score(house.world, Order(which="orders", inputs=[file], out=tmp_path))
    file.write_bytes(b"PAR1 rubbish PAR1")
    with pytest.raises(DataInvalid, match="cannot be read"):
        score(house.world, Order(which="orders", inputs=[file], out=tmp_path / "out"))
    house.shop.orders(house.today, 10).with_columns(a=pl.lit("text")).write_parquet(file)
    with pytest.raises(DataInvalid, match="not one of the first 10 rows"):
        score(house.world, Order(which="orders", inputs=[file], out=tmp_path / "out"))
    with Output(tmp_path / "held").opened(), pytest.raises(Conflict, match="another process"), Output(tmp_path / "held").opened():
        pass


def test_one_row_that_a_transform_cannot_take_fails_alone(noria, declaration, tmp_path):
    text = declaration.replace(
        '    return rows.with_columns(ab=rows["a"] * rows["b"])',
        '    if (rows["a"] > 1e6).any():\n        raise ValueError("too much")\n    return rows.with_columns(ab=rows["a"] * rows["b"])',
    )
    house = noria(declaration=text, history_days=12)
    house.be_born()
    orders = house.shop.orders(house.today, 100)
    orders = orders.with_columns(a=pl.when(pl.col("order") == orders["order"][37]).then(1e7).otherwise(pl.col("a")))
    orders.write_parquet(tmp_path / "in.parquet")
    record = score(house.world, Order(which="orders", inputs=[tmp_path / "in.parquet"], out=tmp_path / "out"))
    assert (record.rows, record.bad) == (99, 1)
    assert json.loads((tmp_path / "out" / record.parts[0].quarantine).read_text())["reason"] == "ValueError: too much"


def test_a_moment_is_utc_unless_it_says_otherwise():
    from noria.app.scoring import moment_of

    assert moment_of("2024-02-01") == datetime(2024, 2, 1, tzinfo=UTC)
    assert moment_of("") is None
    assert asyncio is not None
