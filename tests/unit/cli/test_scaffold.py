from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.metrics import roc_auc_score

from noria.cli.scaffold import write_project
from noria.core.errors import DataInvalid, NotAllowed
from noria.loop.declaration import check

DAY = datetime(2025, 1, 1)


def rides(**columns: list[object]) -> pl.DataFrame:
    rows = 60
    return pl.DataFrame(
        {
            "ride_id": [f"R{n}" for n in range(rows)],
            "started_at": [DAY + timedelta(hours=n) for n in range(rows)],
            "zone": ["A", "B", "C"] * (rows // 3),
            "km": [n / 7 for n in range(rows)],
            **columns,
        }
    )


def test_without_data_the_project_is_sound_as_it_is_written(tmp_path: Path) -> None:
    written = write_project(tmp_path / "churn")
    assert [file.name for file in written] == ["loop.py", "README.md", "customers.csv"]
    (loop,) = check(written[0])
    assert loop.name == "customers-churned"
    assert "TODO" not in written[0].read_text()
    compile(written[0].read_text(), "loop.py", "exec")


def test_the_made_up_customers_are_the_same_every_time_and_can_be_learned_from(tmp_path: Path) -> None:
    one, other = write_project(tmp_path / "a")[2], write_project(tmp_path / "b")[2]
    assert one.read_bytes() == other.read_bytes()
    rows = pl.read_csv(one, try_parse_dates=True)
    X, y = rows.select("tenure_months", "monthly_fee", "tickets_90d", "logins_30d").to_numpy(), rows["churned"].to_numpy()
    model = LGBMClassifier(n_estimators=40, num_leaves=7, num_threads=1, verbose=-1).fit(X[:4_500], y[:4_500])
    assert roc_auc_score(y[4_500:], model.predict_proba(X[4_500:])[:, 1]) > 0.7


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_own_columns_are_found_by_kind_and_name(tmp_path: Path, suffix: str) -> None:
    data = tmp_path / f"rides{suffix}"
    table = rides(cancelled=[n % 5 == 0 for n in range(60)], note=[f"free text {n}" for n in range(60)], city=["NYC"] * 60)
    table.write_csv(data) if suffix == ".csv" else table.write_parquet(data)
    loop_file, readme = write_project(tmp_path / "project", data=data)
    (loop,) = check(loop_file)
    assert loop.label.column == "cancelled"
    dataset = loop.label.columns.dataset
    assert (dataset.key, dataset.time, dataset.source) == ("ride_id", "started_at", f"../rides{suffix}")
    assert loop.features[0].names == ("zone", "km")
    text = loop_file.read_text()
    assert "left out: note" in text
    assert "left out: city" in text
    assert '"zone": "A"' in readme.read_text()


def test_a_number_to_predict_makes_a_regression_and_several_words_a_choice(tmp_path: Path) -> None:
    rides(price=[float(n * n) for n in range(60)]).write_parquet(tmp_path / "prices.parquet")
    rides(outcome=["won", "lost", "drawn"] * 20).write_parquet(tmp_path / "games.parquet")
    (priced,) = check(write_project(tmp_path / "p", data=tmp_path / "prices.parquet")[0])
    (played,) = check(write_project(tmp_path / "g", data=tmp_path / "games.parquet")[0])
    assert (priced.label.column, priced.label.task, priced.watch[3].metric) == ("price", "regression", "mae")
    assert (played.label.column, played.label.task, played.watch[3].metric) == ("outcome", "multiclass", "log_loss")


def test_what_nothing_points_at_is_guessed_and_marked(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.5, 2.5, 2.5], "b": [1.0, 1.0, 2.0], "c": [4.0, 4.0, 5.5], "d": [0.5, 0.5, 0.7]}).write_csv(tmp_path / "x.csv")
    text = write_project(tmp_path / "p", data=tmp_path / "x.csv")[0].read_text()
    assert text.count("TODO") >= 2
    compile(text, "loop.py", "exec")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text("mine")
    with pytest.raises(NotAllowed, match="there already"):
        write_project(tmp_path)
    assert (tmp_path / "loop.py").read_text() == "mine"


def test_a_readme_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert [file.name for file in write_project(tmp_path)] == ["loop.py", "customers.csv"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_what_cannot_be_read_and_what_is_too_narrow_say_so(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataInvalid, match="cannot be read"):
        write_project(tmp_path / "p", data=tmp_path / "x.parquet")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataInvalid, match="too few"):
        write_project(tmp_path / "q", data=tmp_path / "x.csv")
