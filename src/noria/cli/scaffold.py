"""What `noria init` writes: a loop file for somebody's own data, or for a small made-up one that works at once."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
import polars as pl
import polars.selectors as cs

from noria.core.errors import DataInvalid, NotAllowed

_LABELS = re.compile(
    r"(label|target|y|outcome|class|is_.+|has_.+|.*(churn|late|fraud|default|click|convert|cancel|fail|sold|price|amount).*)", re.I
)
_KEYS = re.compile(r"(id|key|uuid|.+_(id|key|no|number))", re.I)
_MOST_CATEGORIES = 1_000
_LOOKED_AT = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """What a table's columns seem to be for; `unsure` names the roles that nothing pointed at."""

    key: str
    time: str
    label: str
    task: str
    features: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]
    unsure: tuple[str, ...]


def write_project(folder: Path, *, data: Path | None = None) -> list[Path]:
    """Write a small project into `folder` and return its files, the loop file first.

    With `data`, its columns are looked at and named in the loop file; what had to be guessed is
    marked TODO. Without, a small made-up table of customers comes along and everything works at once.

    Raises:
        NotAllowed: the folder has a loop file already; nothing is ever overwritten.
        DataInvalid: `data` is no CSV or Parquet file, or has too few columns to learn from.
    """
    loop_file, readme = folder / "loop.py", folder / "README.md"
    if loop_file.exists():
        raise NotAllowed(f"{loop_file} is there already", fix="choose another folder: `noria init NAME`")
    targets = [loop_file] if readme.exists() else [loop_file, readme]
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "data" / "customers.csv"
    if data is None:
        data = made
        data.parent.mkdir(exist_ok=True)
        customers().write_csv(data, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        title, ratio = "Will this customer leave within a month?", ("tickets_90d", "logins_30d", "tickets_per_login")
    else:
        title, ratio = f"Learns from {data.name}.", None
    table = _read(data)
    words = _words(table, _guess(table), folder, data, title, ratio)
    templates = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    for target in targets:
        text = (files("noria.cli") / "templates" / f"{target.name}.j2").read_text(encoding="utf-8")
        target.write_text(templates.from_string(text).render(words), encoding="utf-8")
    return targets if data is not made else [*targets, made]


def _words(
    table: pl.DataFrame, guess: _Guess, folder: Path, data: Path, title: str, ratio: tuple[str, str, str] | None
) -> dict[str, object]:
    binary, regression = guess.task == "binary", guess.task == "regression"
    name = re.sub(r"\W+", "_", data.stem).strip("_").lower() or "rows"
    name = name if name.isidentifier() and not name[0].isdigit() else f"t_{name}"
    row = table.select(guess.key, guess.time, *guess.features).drop_nulls().head(1).to_dicts()
    return {
        "title": title,
        "name": name,
        "loop": re.sub(r"[^a-z0-9]+", "-", f"{name}-{guess.label}".lower()).strip("-")[:60],
        "source": Path(os.path.relpath(data.resolve(), folder.resolve())).as_posix(),
        "key": guess.key,
        "time": guess.time,
        "label": guess.label,
        "task": guess.task,
        "features": ", ".join(json.dumps(feature, ensure_ascii=False) for feature in guess.features),
        "dropped": guess.dropped,
        "guesses": guess.unsure,
        "delay": "30d" if ratio else "1d",
        "estimator": "LGBMRegressor" if regression else "LGBMClassifier",
        "metric": "mae" if regression else "roc_auc" if binary else "log_loss",
        "floor": "nr.at_least(roc_auc=0.60), " if binary else "",
        "drop": "0.05" if not regression else f"{_tenth_of_spread(table[guess.label]):.3g}",
        "ratio": ratio,
        "example": json.dumps(row[0] if row else {}, default=lambda moment: moment.isoformat(), ensure_ascii=False),
    }


def _read(data: Path) -> pl.DataFrame:
    try:
        if data.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(data, n_rows=_LOOKED_AT)
        return pl.read_csv(data, try_parse_dates=True, n_rows=_LOOKED_AT, separator="\t" if data.suffix.lower() == ".tsv" else ",")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"{data} cannot be read: {error}", fix="give a CSV (UTF-8) or Parquet file: `noria init --data FILE`") from error


def _guess(table: pl.DataFrame) -> _Guess:
    """Tell key, time, label and features apart by kind, name and how many values repeat."""
    left = list(table.columns)
    if len(left) < 4:
        raise DataInvalid(
            f"{len(left)} columns are too few: a key, a time, a label and something to learn from are needed",
            fix="add the columns that are missing; in a CSV they are separated by commas (.tsv: by tabs)",
        )
    if table.is_empty():
        raise DataInvalid("there are columns, but no rows", fix="give a file with rows: what the columns are for is read off them")
    unsure: list[str] = []

    def choose(role: str, *wishes: list[str]) -> str:
        """The first column that a wish names; when none does, whatever comes first, marked as unsure."""
        chosen = next((name for wish in wishes for name in wish if name in left), "")
        if not chosen:
            unsure.append(role)
            chosen = left[0]
        left.remove(chosen)
        return chosen

    time = choose("time", table.select(cs.temporal()).columns)
    ids = [name for name in table.columns if _KEYS.fullmatch(name)]
    unique = [name for name in table.select(cs.string() | cs.integer()).columns if table[name].n_unique() == table.height]
    key = choose("key", [name for name in ids if name in unique], unique, ids)
    named = [name for name in reversed(table.columns) if _LABELS.fullmatch(name)]
    two = [name for name in reversed(table.columns) if name not in ids and table[name].drop_nulls().n_unique() == 2]
    label = choose("label", [name for name in two if name in named], named, two)
    dropped = [(name, why) for name in left if (why := _useless(table[name]))]
    features = tuple(name for name in left if name not in dict(dropped))
    return _Guess(
        key=key, time=time, label=label, task=_task(table[label]), features=features, dropped=tuple(dropped), unsure=tuple(unsure)
    )


def _useless(column: pl.Series) -> str:
    """Why no model can learn from a column, or ""."""
    if column.drop_nulls().n_unique() < 2:
        return "always the same"
    if column.dtype == pl.String and column.n_unique() > min(_MOST_CATEGORIES, max(2, len(column) // 2)):
        return "almost every row has its own value"
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Boolean, pl.Categorical)):
        return f"a {column.dtype} is no feature as it stands"
    return ""


def _task(label: pl.Series) -> str:
    values = label.drop_nulls().n_unique()
    if values <= 2:
        return "binary"
    return "multiclass" if label.dtype == pl.String or (label.dtype.is_integer() and values <= 20) else "regression"


def _tenth_of_spread(column: pl.Series) -> float:
    spread = column.cast(pl.Float64).std()
    return (float(spread) if isinstance(spread, float) else 1.0) / 10


def customers(rows: int = 6_000) -> pl.DataFrame:
    """A year of made-up customers, the same every time; leaving depends on tickets, logins, price and tenure."""
    dice = np.random.default_rng(7)
    tenure = dice.gamma(2.0, 14.0, rows).astype(int)
    fee = np.round(dice.choice([9.0, 19.0, 49.0], rows, p=[0.5, 0.35, 0.15]) * dice.uniform(0.9, 1.2, rows), 2)
    tickets, logins = dice.poisson(1.2, rows), dice.poisson(9.0, rows)
    region = dice.choice(["north", "south", "east", "west"], rows)
    leaning = -1.6 + 0.55 * tickets - 0.16 * logins + 0.025 * fee - 0.018 * tenure + 0.5 * (region == "west")
    churned = dice.random(rows) < 1 / (1 + np.exp(-leaning))
    seen_at = pl.Series(np.sort(dice.integers(0, 365 * 24 * 60, rows)) * 60_000).cast(pl.Int64)
    return pl.DataFrame(
        {
            "customer_id": [f"C{n:05d}" for n in range(rows)],
            "seen_at": (seen_at + 1_735_689_600_000).cast(pl.Datetime("ms")),
            "plan": np.where(fee > 40, "team", np.where(fee > 15, "plus", "basic")),
            "region": region,
            "tenure_months": tenure,
            "monthly_fee": fee,
            "tickets_90d": tickets,
            "logins_30d": logins,
            "churned": churned,
        }
    )
