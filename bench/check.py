"""How often `noria check` finds something where nothing changed, and how surely it finds what did.

    python bench/check.py [--repeats 300]

Independent rows, 20 columns (normal, lognormal, counts, texts), both sides from one world; then one
column of them is shifted. With days: each day has a shift of its own that all its rows share, which
is what makes usual tests cry every day. Reported: share of checks with any finding, per group.
"""

from __future__ import annotations

import argparse

import numpy as np
import polars as pl

from noria.checks.check import check

TEXTS = np.array(list("abcdefghijkl"))


def world(dice: np.random.Generator, rows: int, *, shift: float = 0.0) -> dict[str, np.ndarray]:
    table: dict[str, np.ndarray] = {f"normal_{k}": dice.normal(size=rows) for k in range(10)}
    table |= {f"lognormal_{k}": dice.lognormal(sigma=1.0, size=rows) for k in range(4)}
    table |= {f"count_{k}": dice.poisson(2.0, size=rows) for k in range(3)}
    table |= {f"text_{k}": TEXTS[np.minimum(dice.geometric(0.3, size=rows) - 1, 11)] for k in range(3)}
    table["normal_0"] = table["normal_0"] + shift
    return table


def days(dice: np.random.Generator, count: int, rows: int, *, common: float, shift: float = 0.0) -> pl.DataFrame:
    frames = []
    for day in range(count):
        table = world(dice, rows)
        for name in table:
            if name.startswith("normal"):
                table[name] = table[name] + dice.normal(scale=common)
        table["normal_0"] = table["normal_0"] + shift
        at = np.datetime64("2024-01-01") + np.timedelta64(day, "D") + dice.integers(0, 86_400, rows).astype("timedelta64[s]")
        frames.append(pl.DataFrame({**table, "at": at.astype("datetime64[ms]")}))
    return pl.concat(frames)


def told(name: str, found: list[dict[str, bool]]) -> None:
    shares = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    print(f"{name:<58}" + "  ".join(f"{key} {share:6.1%}" for key, share in shares.items()))


def groups(report) -> dict[str, bool]:
    return {"any": bool(report), "drift": bool(report.of("drift")), "data": bool(report.of("data"))}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--repeats", type=int, default=300)
    repeats = asked.parse_args().repeats
    for rows in (250, 500, 2_000):
        dice = np.random.default_rng(rows)
        told(
            f"no change, {rows} rows a side",
            [groups(check(pl.DataFrame(world(dice, rows)), pl.DataFrame(world(dice, rows)))) for _ in range(repeats)],
        )
    for shift in (0.3, 0.5):
        for rows in (500, 2_000):
            dice = np.random.default_rng(rows + 1)
            seen = []
            for _ in range(repeats // 3):
                report = check(pl.DataFrame(world(dice, rows)), pl.DataFrame(world(dice, rows, shift=shift)))
                seen.append({"found": any(one.subject == "normal_0" for one in report.findings)})
            told(f"one column shifted by {shift} deviations, {rows} rows a side", seen)
    for shift in (0.0, 1.5):
        dice = np.random.default_rng(7)
        by_day, whole = [], []
        for _ in range(max(repeats // 15, 8)):
            before, now = days(dice, 30, 300, common=0.5), days(dice, 10, 300, common=0.5, shift=shift)
            for into, time in ((by_day, "at"), (whole, "")):
                report = check(before, now, time=time, ignore=() if time else ("at",))
                into.append({"any": bool(report), "column": any(one.subject == "normal_0" for one in report.findings)})
        told(f"days with a mood of 0.5 deviations, shift {shift}: by day", by_day)
        told(f"days with a mood of 0.5 deviations, shift {shift}: as wholes", whole)


if __name__ == "__main__":
    main()
