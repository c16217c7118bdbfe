"""Every mistake in a loop file is found before anything runs, all at once, each with its mend."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from noria.core.errors import DeclarationInvalid, NotFound
from noria.loop.declaration import check

SOUND = """
import noria as nr

shop = nr.Dataset("shop", "shop.csv", key="order", time="at")
town = nr.Dataset("town", "town.csv", key="city", time="at")

@nr.feature_view(town, entity="city")
def heat(t):
    return t.select("city", "at", "heat")

@nr.on_demand(inputs=["price"])
def cheap(rows):
    return rows.with_columns(is_cheap=rows["price"] < 5)

def train(data, params):
    return None

loop = nr.Loop(
    "orders",
    features=[shop["price"], heat, cheap],
    label=nr.Label(shop["returned"], delay="1d"),
    train=train,
    gates=[nr.at_least(roc_auc=0.7)],
    watch=[nr.drift(), nr.quality("roc_auc", drop=0.02)],
)
"""


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    at = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)]
    pl.DataFrame({"order": ["a", "b"], "at": at, "city": ["x", "y"], "price": [1.0, 9.0], "returned": [True, False]}).write_csv(
        tmp_path / "shop.csv"
    )
    pl.DataFrame({"city": ["x", "y"], "at": at, "heat": [1.0, 2.0]}).write_csv(tmp_path / "town.csv")
    return tmp_path


def mistakes(folder: Path, text: str) -> list[str]:
    (folder / "shop.py").write_text(text)
    with pytest.raises(DeclarationInvalid) as found:
        check(folder / "shop.py")
    return list(found.value.mistakes)


def test_a_sound_file_has_none(folder):
    (folder / "shop.py").write_text(SOUND)
    assert [loop.name for loop in check(folder / "shop.py")] == ["orders"]


def test_all_mistakes_are_told_at_once_with_file_name_and_mend(folder):
    broken = (
        SOUND.replace('shop["price"]', 'shop["prise", "returned"]')
        .replace("roc_auc=0.7", "rmse=3")
        .replace('nr.quality("roc_auc"', 'nr.quality("roc_acu"')
        .replace('inputs=["price"]', 'inputs=["pryce"]')
        .replace('"orders",', '"Orders!", rollout=nr.Canary(steps=[50, 10]),')
        .replace('delay="1d")', 'delay="1d", task="binary")')
    )
    told = mistakes(folder, broken)
    assert all(text.startswith("shop.py · Orders!") and "→" in text for text in told)
    joined = "\n".join(told)
    for part in (
        "did you mean 'price'",
        "the label 'returned' is among the features",
        "'rmse' is no metric",
        "did you mean 'roc_auc'",
        "cannot be a name",
        "do not climb",
    ):
        assert part in joined, part


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('entity="city"', 'entity="town"'), "entity column of town 'town' does not exist"),
        (('return t.select("city", "at", "heat")', 'return t.select("city", "heat")'), "drops 'at'"),
        (("t.select(", "t.selekt("), "its function fails: AttributeError"),
        (('key="order"', 'key="ordre"'), "did you mean 'order'"),
        (('"shop.csv"', '"shops.csv"'), "shops.csv"),
        (('"town.csv", key="city", time="at"', '"town.csv", key="city", time="heat"'), "time column 'heat' holds float"),
        (('is_cheap=rows["price"]', 'price=rows["price"]'), None),
        (("def train(data, params)", "def train(data)"), "cannot be called with (data, params)"),
        (("heat, cheap", 'heat, town["heat"]'), "cannot be joined"),
        (("nr.drift()", "nr.drift(k=7, m=5)"), "k=7 of m=5"),
        (("train=train", "train=train, alerts=nr.Alerts(pages_per_week=-1)"), "pages_per_week=-1"),
        (("train=train", 'train=train, alerts=nr.Alerts(digest="0s")'), "a digest every no time"),
        (("train=train", 'train=train, alerts=nr.Alerts(quiet=[nr.Quiet("02:00", "1h", monitor="drfit")])'), "did you mean 'drift'"),
        (("train=train", 'train=train, alerts=nr.Alerts(quiet=[nr.Quiet("caturday 02:00", "1h")])'), "is no beginning"),
        (("nr.drift()", 'nr.drift(statistic="wasserstien", season="7d")'), "did you mean 'wasserstein'"),
        (("nr.drift()", 'nr.drift(every="2d", season="7d")'), "a season of 7d in chunks of 2d"),
        (("nr.drift()", 'nr.data_quality(monitors=["types"])'), "did you mean 'type'"),
        (("nr.drift()", 'nr.drift(season="7d", outcome=True), nr.data_quality(warmup="2d")'), None),
    ],
)
def test_each_mistake_is_told(folder, change, told):
    text = SOUND.replace(*change)
    assert text != SOUND
    if told is None:
        (folder / "shop.py").write_text(text)
        check(folder / "shop.py")
        return
    assert told in "\n".join(mistakes(folder, text))


def test_a_view_without_its_key_says_how_to_name_it(folder):
    text = SOUND.replace('entity="city"', 'entity="city"').replace('"city": ', '"city": ')
    pl.read_csv(folder / "shop.csv").rename({"city": "cty"}).write_csv(folder / "shop.csv")
    assert "write `heat.on('cty')`" in "\n".join(mistakes(folder, text))


def test_two_loops_of_one_name_are_refused(folder):
    text = SOUND + '\nother = nr.Loop("orders", features=[shop["price"]], label=nr.Label(shop["returned"]), train=train)\n'
    assert "2 loops have this name" in "\n".join(mistakes(folder, text))


def test_a_file_that_does_not_run_tells_where(folder):
    assert "ZeroDivisionError" in "\n".join(mistakes(folder, SOUND + "\n1 / 0\n"))


def test_a_file_without_a_loop_and_a_missing_file_say_what_to_do(folder):
    assert "declares no loop" in mistakes(folder, "x = 1")[0]
    with pytest.raises(NotFound, match="noria init"):
        check(folder / "nothing.py")


@pytest.mark.parametrize(
    ("rollout", "told"),
    [
        ('nr.AB(share=50, metric="roc_auc")', None),
        ('nr.AB(share=100, metric="roc_auc")', "a share of 100 % compares nothing"),
        ('nr.AB(metric="rmse")', "'rmse' is no metric of a binary task"),
        ('nr.AB(metric="roc_auc", min_effect=-1)', "the challenger must be better"),
        ('nr.AB(metric="ece")', "'ece' has no sequential test"),
        ('nr.Bandit(metric="roc_auc", floor=0.5)', "a floor of 0.5 leaves no room"),
        ('nr.Bandit(metric="roc_auc", min_rows=500, max_rows=100)', "1 ≤ min_rows ≤ max_rows"),
        ('nr.Canary(guard=["kolmogorov_smirnov"])', "'kolmogorov_smirnov' is no metric"),
        ('nr.Canary(guard=["nan", "distribution", "business:revenue"], margin={"business:revenue": 0.1})', None),
        ('nr.Canary(guard=["business:revenue"])', "'business:revenue' has no margin"),
        ('nr.Canary(guard=["business:"], margin={"business:": 1.0})', "names no number"),
        ('nr.Shadow(2_000, then="promote", guard=["errors", "agreement", "roc_auc"])', None),
        ('nr.Shadow(then="wait")', "then='wait' is unknown"),
        ('nr.Shadow(guard=["latency"])', "'latency' says nothing of a shadow"),
        ('nr.BlueGreen("30m", guard=["errors", "latency", "operations"])', None),
        ("nr.BlueGreen(shadow_rows=0)", "0 shadow rows do not warm a version"),
        ('nr.BlueGreen("0s")', "a bake of no time"),
        ('nr.BlueGreen(guard=["business:revenue"])', "has nothing to be held against"),
        ("nr.Interleave()", "only rankings can be interleaved"),
        ('nr.Interleave(metric="clicks")', "metric='clicks' is no way to count queries"),
    ],
)
def test_a_way_to_bring_challengers_in_is_checked(folder, rollout, told):
    test_each_mistake_is_told(folder, ("    train=train,\n    gates", f"    train=train,\n    rollout={rollout},\n    gates"), told)


def test_costs_are_asked_for_where_they_are_meant_and_only_there(folder):
    (said,) = mistakes(folder, SOUND.replace("roc_auc=0.7", "expected_cost=0.7"))
    assert "no costs are stated" in said
    costly = SOUND.replace("    train=train,", "    train=train,\n    costs=nr.Costs(false_positive=1, false_negative=5, capacity='2%'),")
    (folder / "shop.py").write_text(costly.replace("nr.at_least(roc_auc=0.7)", "nr.at_most(expected_cost=0.7)"))
    assert check(folder / "shop.py")[0].costs.capacity == 0.02
    of_numbers = (
        costly.replace('delay="1d"', 'delay="1d", task="regression"').replace("roc_auc=0.7", "r2=0.5").replace('"roc_auc"', '"mae"')
    )
    assert any("they are of yes and no" in said for said in mistakes(folder, of_numbers))


def test_a_number_may_end_the_name_of_a_metric(folder):
    (folder / "shop.py").write_text(SOUND.replace("roc_auc=0.7", "lift_5=2.0"))
    check(folder / "shop.py")
    assert any("no metric of a binary task" in said for said in mistakes(folder, SOUND.replace("roc_auc=0.7", "ndcg_5=0.5")))


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ('task="ranking"', "none are named"),
        ('task="ranking", group="querry"', "'querry' does not exist"),
        ('group="city"', "belongs to a ranking"),
        ('task="ranking", group="city", series="city"', "belongs to a forecast"),
        ('task="forecast", series="city", season="7d"', "is no metric of a forecast task"),
    ],
)
def test_rankings_and_forecasts_say_what_belongs_together(folder, label, said):
    assert any(said in one for one in mistakes(folder, SOUND.replace('delay="1d"', f'delay="1d", {label}')))


def test_a_ranking_and_a_forecast_can_be_declared(folder):
    ranking = SOUND.replace('delay="1d"', 'delay="1d", task="ranking", group="city"').replace("roc_auc=0.7", "ndcg_5=0.3")
    (folder / "shop.py").write_text(ranking.replace('"roc_auc"', '"mrr"'))
    assert check(folder / "shop.py")[0].label.together == "city"
    forecast = SOUND.replace('delay="1d"', 'delay="1d", task="forecast", series="city"').replace("at_least(roc_auc=0.7)", "at_most(mase=1)")
    (folder / "shop.py").write_text(forecast.replace('"roc_auc"', '"wape"'))
    check(folder / "shop.py")
    assert any("which is not logged" in said for said in mistakes(folder, forecast.replace('"roc_auc"', '"skill"')))


@pytest.mark.parametrize("task", ["multilabel", "quantile", "clustering", "anomaly"])
def test_what_a_loop_cannot_serve_is_refused_with_what_can_be_done(folder, task):
    said = mistakes(folder, SOUND.replace('delay="1d"', f'delay="1d", task="{task}"'))
    assert any("noria.evaluate" in one for one in said)
