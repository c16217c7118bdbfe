import json
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.schema import Estimate
from noria.core.state import TrafficPoint
from noria.core.training import Recipe, Trial
from noria.core.turning import GuardReading
from noria.core.watching import Level, Reading
from noria.drawing.charts.drift import drift_chart
from noria.drawing.charts.guards import guards_chart
from noria.drawing.charts.quality import quality_chart
from noria.drawing.charts.readings import readings_chart
from noria.drawing.charts.traffic import traffic_chart
from noria.drawing.charts.tuning import tuning_chart

DAY = datetime(2013, 4, 1, tzinfo=UTC)


def reading(day, value=0.7, **more):
    values = {
        "loop": "l",
        "monitor": "drift",
        "subject": "x",
        "time": DAY + timedelta(days=day),
        "value": value,
        "threshold": 0.5,
        "level": Level.OK,
        "rows": 9,
    }
    return Reading(**{**values, **more})


def test_charts_without_data_say_what_will_fill_them():
    none = [
        quality_chart("auc", [], marks=[], reigns=[], incidents=[]),
        traffic_chart([]),
        drift_chart({}),
        guards_chart([]),
        readings_chart([]),
    ]
    none.append(tuning_chart(Recipe(params={}, metric="auc")))
    assert all(chart.spec == {} and chart.text.endswith(".") for chart in none)


def test_the_drift_chart_puts_the_most_drifted_feature_on_top():
    series = {"calm": [reading(d, effect=-1.0) for d in range(9)], "wild": [reading(d, effect=3.0) for d in range(9)]}
    assert drift_chart(series).spec["encoding"]["y"]["sort"] == ["wild", "calm"]


def test_a_long_drift_history_keeps_the_worst_of_each_span():
    series = {"x": [reading(d, effect=5.0 if d == 200 else -1.0) for d in range(365)]}
    cells = drift_chart(series).spec["data"]["values"]
    assert len(cells) <= 120 and max(cell["effect"] for cell in cells) == 5.0


def test_readings_without_enough_data_are_not_drawn():
    assert readings_chart([reading(0, level=Level.NOT_ENOUGH)]).spec == {}


def test_estimates_are_drawn_before_outcomes_come_and_not_where_there_was_none():
    estimates = [reading(d, float("nan") if d == 2 else 0.7, monitor="estimated-quality") for d in range(5)]
    chart = quality_chart("auc", [], marks=[], reigns=[], incidents=[], estimates=estimates)
    (layer,) = chart.spec["layer"]
    assert [row["run"] for row in layer["data"]["values"]] == [0, 0, 1, 1]
    assert "Estimated before outcomes: now 0.7" in chart.text and "Realised" not in chart.text


def test_traffic_adds_up_by_day_and_version():
    points = [
        TrafficPoint(loop="l", start=DAY + timedelta(hours=6 * k), seconds=21_600, requests={"1": 10, "10": 1, "2": 5}) for k in range(24)
    ]
    spec = traffic_chart(points).spec
    assert spec["encoding"]["color"]["scale"]["domain"] == ["v1", "v2", "v10"]
    assert sum(row["n"] for row in spec["data"]["values"]) == 24 * 16


def test_guards_are_drawn_in_units_of_their_margin():
    look = GuardReading(
        guard="errors",
        difference=Estimate(value=0.01, low=-0.01, high=0.03, n=9),
        margin=0.02,
        p_value=0.5,
        verdict="undecided",
        champion_n=9,
        challenger_n=9,
    )
    row = guards_chart([look]).spec["layer"][3]["data"]["values"][0]
    assert (row["low"], row["value"], row["high"]) == (-0.5, 0.5, 1.5)


def test_the_best_so_far_goes_down_for_losses():
    trials = tuple(Trial(number=n, params={}, value=v, seconds=1.0, state="complete") for n, v in enumerate([0.5, 0.7, 0.4]))
    spec = tuning_chart(Recipe(params={}, metric="log_loss", trials=trials)).spec
    assert [row["v"] for row in spec["layer"][0]["data"]["values"]] == [0.5, 0.5, 0.4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.floats(width=32)), max_size=30))
def test_any_readings_make_json_that_browsers_can_read(values):
    series = [reading(day, value, low=value, high=value, monitor="quality") for day, value in sorted(values, key=lambda pair: pair[0])]
    for chart in (quality_chart("auc", series, marks=[], reigns=[], incidents=[]), readings_chart(series), drift_chart({"x": series})):
        json.dumps(chart.spec, allow_nan=False)
