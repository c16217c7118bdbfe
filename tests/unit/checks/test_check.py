import json

import numpy as np
import polars as pl
import pytest
from world import days, table

import noria as nr
from noria.core.errors import DataInvalid, NotFound


def subjects(report, check):
    return {one.subject for one in report.findings if one.check == check}


def column(report, name):
    return next(one for one in report.value.columns if one.name == name)


def test_two_tables_of_one_world_have_nothing_found():
    report = nr.check(table(1), table(2), label="late", score="p")
    assert not report and report.findings == () and report.verdict == "Nothing found in 7 columns"


def test_a_shifted_column_has_drifted_and_says_where_its_rows_went():
    report = nr.check(table(1), table(2, shift=1.0))
    assert report and subjects(report, "drift") == {"normal"}
    assert "of rows at" in report.findings[0].said and report.value.columns[0].name == "normal"


def test_what_differs_surely_but_little_is_small_and_no_finding():
    report = nr.check(table(1, 40_000), table(2, 40_000, shift=0.1), columns=["normal", "count"])
    assert not report and column(report, "normal").verdict == "small" and column(report, "count").verdict == "quiet"


def test_missing_values_are_one_finding_and_not_two():
    dice = np.random.default_rng(3)
    now = table(2).with_columns(normal=pl.when(pl.Series(dice.random(2_000) < 0.3)).then(None).otherwise(pl.col("normal")))
    report = nr.check(table(1), now)
    assert [(one.check, one.subject) for one in report.findings] == [("missing", "normal")]


def test_values_never_seen_before_are_found_and_named():
    now = table(2).with_columns(colour=pl.when(pl.int_range(pl.len()) % 40 == 0).then(pl.lit("mauve")).otherwise(pl.col("colour")))
    report = nr.check(table(1), now)
    assert subjects(report, "unseen") == {"colour"} and "'mauve' (50)" in report.findings[0].said


def test_names_that_hardly_repeat_bring_no_unseen_values():
    dice = np.random.default_rng(5)
    sides = [pl.DataFrame({"name": [f"n{k}" for k in dice.integers(0, 3_000, 2_000)], "x": dice.normal(size=2_000)}) for _ in range(2)]
    report = nr.check(*sides)
    assert not report and 0.3 < column(report, "name").reading("unseen").value < column(report, "name").reading("unseen").threshold


def test_values_beyond_the_smallest_and_largest_are_out_of_range():
    now = table(2).with_columns(normal=pl.when(pl.int_range(pl.len()) % 50 == 0).then(99.0).otherwise(pl.col("normal")))
    report = nr.check(table(1), now)
    assert subjects(report, "range") == {"normal"} and "above" in next(one.said for one in report.findings if one.check == "range")


def test_columns_that_are_gone_new_or_of_another_kind_are_told():
    before = table(1).with_columns(gone=pl.lit(1))
    now = table(2).with_columns(new=pl.lit(1), count=pl.col("count").cast(pl.String))
    report = nr.check(before, now)
    assert subjects(report, "columns") == {"gone"} and subjects(report, "kind") == {"count"}
    assert "New in current: new." in report.value.notes


def test_numbers_of_another_width_are_of_one_kind_and_an_empty_column_is_missing():
    report = nr.check(table(1), table(2).with_columns(pl.col("count").cast(pl.Float32), colour=None))
    assert not subjects(report, "kind") and subjects(report, "missing") == {"colour"}


def test_few_rows_are_not_enough_data_and_no_finding():
    report = nr.check(table(1), table(2, 100, shift=3.0))
    assert not report and not report.value.enough
    assert report.verdict == "Not enough data: current has 100 rows, 250 are needed"
    assert {one.verdict for one in report.value.columns} == {"not-enough-data"}


def test_columns_that_go_together_differently_are_found():
    report = nr.check(table(1), table(2, fade=1.0), columns=["normal", "other"])
    assert subjects(report, "correlation") == {"normal × other"}


def test_answers_that_got_worse_are_found_with_their_interval():
    report = nr.check(table(1), table(2, fade=0.8), label="late", score="p", columns=["count"])
    assert subjects(report, "quality") == {"roc_auc"} and report.of("quality") and "worse by" in report.findings[0].said
    assert {one.metric for one in report.value.marks} >= {"log_loss", "brier"}


def test_a_fall_within_what_is_tolerated_is_no_finding():
    assert not nr.check(table(1), table(2, fade=0.3), label="late", score="p", drop=0.2).of("quality")


def test_numbers_and_classes_are_judged_too():
    dice = np.random.default_rng(8)
    y = dice.normal(size=1_000)
    numbers = [pl.DataFrame({"y": y, "guess": y + dice.normal(scale=s, size=1_000)}) for s in (0.5, 1.5)]
    assert subjects(nr.check(*numbers, label="y", score="guess"), "quality") == {"rmse"}
    classes = np.array(["a", "b", "c"])[dice.choice(3, 1_000)]
    said = [np.where(dice.random(1_000) < share, classes, "a") for share in (0.9, 0.5)]
    named = [pl.DataFrame({"y": classes, "answer": one}) for one in said]
    report = nr.check(*named, label="y", score="answer", metric="accuracy")
    assert report.value.task == "multiclass" and subjects(report, "quality") == {"accuracy"}


def test_probabilities_of_several_classes_are_taken_by_their_names():
    dice = np.random.default_rng(9)
    chances = dice.dirichlet([1, 1, 1], 1_000)
    y = np.array(["cat", "dog", "owl"])[[dice.choice(3, p=row) for row in chances]]
    side = pl.DataFrame({"y": y, "p_owl": chances[:, 2], "p_cat": chances[:, 0], "p_dog": chances[:, 1]})
    report = nr.check(side, side, label="y", score=["p_owl", "p_cat", "p_dog"])
    assert 0.6 < report.value.marks[0].before.value < 1.0 and report.value.marks[0].metric == "log_loss"


def test_ids_and_clocks_are_shown_but_not_judged():
    sides = [table(s).with_columns(id=pl.int_range(pl.len()) + s * 10_000, at=pl.datetime(2024, s, 1)) for s in (1, 2)]
    report = nr.check(*sides)
    assert not report and {column(report, "id").role, column(report, "at").role} == {"id", "time"}
    assert column(report, "id").verdict == "not-judged"


def test_columns_that_no_model_takes_are_left_out_and_said_so():
    sides = [table(s).with_columns(tags=pl.concat_list(pl.lit(1), pl.lit(2))) for s in (1, 2)]
    assert any("tags (List" in note for note in nr.check(*sides).value.notes)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "arrow"])
def test_files_and_folders_of_every_format_are_read(tmp_path, form):
    write = {"parquet": "write_parquet", "csv": "write_csv", "jsonl": "write_ndjson", "arrow": "write_ipc"}[form]
    (tmp_path / "before").mkdir()
    for part in range(2):
        getattr(table(part), write)(tmp_path / "before" / f"{part}.{form}")
    getattr(table(5, shift=1.0), write)(tmp_path / f"now.{form}")
    report = nr.check(tmp_path / "before", str(tmp_path / f"now.{form}"))
    assert subjects(report, "drift") == {"normal"} and report.value.reference.rows == 4_000 and report.value.current.name == f"now.{form}"


def test_frames_of_other_libraries_are_read():
    assert nr.check(table(1).to_pandas(), table(2, shift=1.0).to_arrow()).findings


def test_days_that_differ_from_each_other_are_no_drift_once_they_calibrate_the_limits():
    before, now = days(1, 40), days(2, 12)
    by_day = nr.check(before, now, time="at")
    assert by_day.value.chunk == "1d" and by_day.value.chunks == 40 and not subjects(by_day, "drift")


def test_a_shift_that_lasts_is_found_among_days_that_differ_and_drawn_day_by_day():
    report = nr.check(days(1, 40), days(2, 12, shift=3.0), time="at")
    assert subjects(report, "drift") == {"value"} and "chunks" in next(one.said for one in report.findings if one.check == "drift")
    assert len(column(report, "value").history) == 12


def test_one_bad_day_is_no_finding():
    now = days(2, 12).with_columns(calm=pl.when(pl.col("at").dt.date() == pl.date(2024, 1, 5)).then(9.0).otherwise("calm"))
    report = nr.check(days(1, 40), now, time="at")
    assert not subjects(report, "drift") and any(one.level == "breach" for one in column(report, "calm").history)


def test_a_short_reference_is_judged_as_a_whole_and_says_so():
    report = nr.check(days(1, 4), days(2, 4), time="at")
    assert report.value.chunk == "" and any("too short" in note for note in report.value.notes)


def test_a_time_in_text_is_read():
    sides = [days(s, 12).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")) for s in (1, 2)]
    assert nr.check(*sides, time="at").value.chunks == 12


def test_the_report_is_json_and_a_table(tmp_path):
    report = nr.check(table(1), table(2, shift=1.0), label="late", score="p")
    told = json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert told["found"] and told["findings"][0]["check"] == "drift" and told["reference"]["rows"] == 2_000
    assert report.table["column"][0] == "normal" and report.table.height == 7


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"columns": ["nope"]}, DataInvalid),
        ({"label": "late", "score": "late"}, DataInvalid),
        ({"label": "late", "score": "normal", "task": "binary"}, DataInvalid),
        ({"label": "late", "score": "p", "metric": "rmse"}, NotFound),
        ({"time": "normal"}, DataInvalid),
    ],
)
def test_what_cannot_be_asked_is_said(asked, error):
    with pytest.raises(error):
        nr.check(table(1), table(2), **asked)


def test_an_empty_table_is_refused():
    with pytest.raises(DataInvalid, match="no row"):
        nr.check(table(1), table(2).head(0))


def relations(seed, rho):
    """Ten numbers that have something in common, each of them alone always the same."""
    dice = np.random.default_rng(seed)
    common = dice.normal(size=2_000)
    return pl.DataFrame({f"n{k}": rho**0.5 * common + (1 - rho) ** 0.5 * dice.normal(size=2_000) for k in range(10)})


def test_relations_that_loosen_a_little_everywhere_are_found_when_columns_are_looked_at_together():
    before, quiet, loose = relations(1, 0.45), relations(2, 0.45), relations(3, 0.31)
    assert not nr.check(before, loose)
    report = nr.check(before, loose, joint=True)
    assert subjects(report, "joint") == {"all columns together"} and "columns drifted together" in report.verdict.lower()
    assert not nr.check(before, quiet, joint=True)


def test_days_are_looked_at_together_too():
    report = nr.check(days(1, 12), days(2, 4), time="at", joint=True)
    assert not subjects(report, "joint") and {one.subject for one in report.value.joint} == {"reconstruction", "domain"}
