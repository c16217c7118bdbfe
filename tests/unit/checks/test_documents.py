"""The report as a file that opens anywhere: small, alone, and with nothing of a user's read as markup."""

import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from world import days, table

import noria as nr

EVIL = '<img src=x onerror="alert(1)">&\'|`*_[x](javascript:y)'


VOID = {"meta", "br", "img", "path", "rect", "circle", "line", "link"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, tag


def parsed(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


@pytest.fixture(scope="module")
def report():
    return nr.check(table(1), table(2, shift=1.0, fade=0.8), label="late", score="p")


def test_the_page_is_alone_and_well_formed(report, tmp_path):
    page = report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    tags = parsed(page)
    assert not tags.seen & {"script", "link", "img", "iframe", "object"} and not tags.attributes & {"src", "href", "onclick", "onerror"}
    assert "url(" not in page and "@import" not in page and not re.search(r"https?://(?!www\.w3\.org)", page)
    assert "light-dark(" in page and 'content="width=device-width' in page


def test_twenty_columns_make_less_than_a_third_of_a_megabyte():
    dice = np.random.default_rng(1)
    sides = [pl.DataFrame({f"column_{k}": dice.normal(size=1_000) for k in range(20)}) for _ in range(2)]
    assert len(nr.check(*sides).to_html().encode()) < 330_000


def test_markup_in_names_and_values_stays_text():
    sides = []
    for seed in (1, 2):
        side = table(seed, shift=float(seed)).with_columns(
            pl.when(pl.int_range(pl.len()) % (9 if seed == 2 else 10_000) == 0)
            .then(pl.lit(EVIL))
            .otherwise(pl.col("colour"))
            .alias("colour")
        )
        sides.append(side.rename({"normal": EVIL, "late": "<b>late"}))
    sides[0] = sides[0].with_columns(pl.lit(1).alias("<script>gone</script>"))
    report = nr.check(*sides, label="<b>late", score="p")
    for page in (report.to_html(), report._repr_html_()):
        tags = parsed(page)
        assert not tags.seen & {"script", "img"} and "onerror" not in tags.attributes and "<b>late" not in page
    told = report.to_markdown()
    assert "<img" not in told and "<script" not in told and not re.search(r"(?<!\\)\]\(javascript", told)
    assert all(line.count(" | ") <= 5 for line in told.splitlines() if line.startswith("| "))


def test_a_notebook_gets_a_piece_that_styles_nothing_but_itself(report):
    piece = report._repr_html_()
    look = piece[piece.index("<style>") + 7 : piece.index("</style>")]
    outer = re.sub(r"/\*.*?\*/", "", look, flags=re.DOTALL)
    depth, selectors, start = 0, [], 0
    for at, sign in enumerate(outer):
        if sign == "{":
            if depth == 0:
                selectors.append(outer[start:at].strip())
            depth += 1
        elif sign == "}":
            depth, start = depth - 1, at + 1
    assert depth == 0 and all(".noria-doc" in selector for selector in selectors) and "<html" not in piece


def test_days_are_drawn_as_a_heat_map():
    page = nr.check(days(1, 40), days(2, 12, shift=3.0), time="at").to_html()
    assert "Drift over time" in page and "calibrated on 40 chunks of 1d" in page


def test_the_text_for_a_failed_test_is_bounded():
    dice = np.random.default_rng(1)
    before = pl.DataFrame({f"column_{k}": dice.normal(size=500) for k in range(200)})
    report = nr.check(before, before.select(pl.all() + 2))
    assert len(report.findings) >= 200 and len(str(report).splitlines()) <= 26 and len(report.to_markdown()) < 12_000


def test_nothing_found_is_said_calmly():
    report = nr.check(table(1), table(3))
    assert "Nothing differs" in report.to_html() and "Nothing found" in report.to_markdown()


def test_curves_of_both_sides_lie_over_each_other_where_there_are_outcomes(report):
    assert [curve.kind.value for curve in report.value.curves] == ["roc", "precision-recall", "calibration"]
    assert [line.name for line in report.value.curves[0].lines] == ["reference", "current"]
    assert report.to_html().count("<figure") == 3
    assert "<figure" not in nr.check(table(1), table(2)).to_html()
