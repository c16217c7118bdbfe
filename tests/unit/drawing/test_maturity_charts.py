from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan

from noria.core.performance import MaturityCurve, QualityWindow, RealisedQuality
from noria.core.schema import Estimate
from noria.drawing.charts.maturity import maturity_chart, realised_chart, spell

AT = datetime(2024, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
CURVE = MaturityCurve(
    loop="l", at=AT, age_s=(86_400.0, 172_800.0), share=(0.5, 0.9), low=(0.4, 0.85), high=(0.6, 0.95), rows=100, waiting=10,
    horizon_s=864_000.0, median_s=86_400.0, p90_s=172_800.0,
)  # fmt: skip


def window(value, mature, weeks):
    start = AT - weeks * WEEK
    quality = Estimate(value=value, low=value - 0.1, high=value + 0.1, n=50)
    return QualityWindow(
        start=start, end=start + WEEK, rows=90, labelled=50, maturity=0.95 if mature else nan, mature=mature, quality=quality
    )


def test_the_curve_is_drawn_with_the_delay_that_was_declared():
    drawn = maturity_chart(CURVE, delay_s=86_400.0)
    assert "90.0% of 100 predictions" in drawn.text and "nine of ten within 2 days" in drawn.text
    points = drawn.spec["layer"][1]["data"]["values"]
    assert points[0] == {"age": 0.0, "share": 0.0, "low": 0.0, "high": 0.0} and points[-1]["age"] == 4.0
    assert len(drawn.spec["layer"]) == 4 and len(maturity_chart(CURVE).spec["layer"]) == 2
    assert maturity_chart(replace(CURVE, age_s=(), share=(), low=(), high=())).spec == {}


def test_windows_that_are_not_mature_are_marked():
    windows = (window(0.8, True, 3), window(0.7, False, 2), window(nan, False, 1))
    found = RealisedQuality(loop="l", metric="roc_auc", as_of=AT, higher_is_better=True, windows=windows, curve=CURVE)
    drawn = realised_chart(found)
    assert drawn.text == "roc_auc of 2 windows as it was known on 1 March 2024; 1 of them are not mature."
    assert [row["mature"] for row in drawn.spec["layer"][0]["data"]["values"]] == [True, False]
    assert realised_chart(replace(found, windows=windows[2:])).spec == {}


def test_ages_are_said_as_a_person_says_them():
    assert [spell(age) for age in (20.0, 90.0, 5_400.0, 90_000.0, 200_000.0, nan)] == [
        "20 seconds",
        "1.5 minutes",
        "1.5 hours",
        "25 hours",
        "2.3 days",
        "an unknown time",
    ]
