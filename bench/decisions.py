"""Whose alerts can be acted on? Noria and the usual rules on streams whose change is known: `python bench/decisions.py [seeds]`.

Each rule watches the same streams day by day, and its alert makes the model be trained again, under the
same cooldown. Told are false alarms, delay, whether retrainings helped, and the loss that users bore.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from deciding.play import Played, Trainings, oracle, play
from deciding.rules import Monthly, Never, Noria, Rule, usual
from deciding.streams import SIMULATED, Stream, flights

BY_THE_CALENDAR = (Never.name, Monthly.name)


def rules() -> list[Rule]:
    """Everybody who decides."""
    ours = [
        Noria("Noria"),
        Noria("Noria, drift alone", with_quality=False),
        Noria("Noria, with joint drift", with_joint=True),
        Noria("Noria, joint drift, and the judge every 14 days", with_joint=True, asks_every=14),
    ]
    return [*ours, *usual(), Monthly(), Never()]


def main(seeds: int) -> None:
    """Play all streams under all rules, and print the tables."""
    started, played, best = time.perf_counter(), list[Played](), dict[str, list[float]]()
    streams: list[Stream] = [make(seed) for seed in range(seeds) for make in SIMULATED]
    if "--no-flights" not in sys.argv:
        streams.append(flights())
    for number, stream in enumerate(streams, 1):
        trainings = Trainings(stream)
        played += [play(stream, rule, trainings) for rule in rules()]
        best.setdefault(stream.name, []).append(oracle(stream, trainings))
        print(f"\r{number} of {len(streams)} streams, {time.perf_counter() - started:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    told = report(played, {name: float(np.mean(values)) for name, values in best.items()}, seeds)
    print(told)
    if "--write" in sys.argv:
        file = Path(__file__).parents[1] / "docs" / "decisions-measured.md"
        file.write_text(told + "\n", encoding="utf-8")


def report(played: list[Played], best: dict[str, float], seeds: int) -> str:
    """The tables as Markdown."""
    by_rule: dict[str, list[Played]] = defaultdict(list)
    for one in played:
        by_rule[one.rule].append(one)
    names = list(dict.fromkeys(one.stream for one in played))
    quiet = [name for name in names if all(one.change is None for one in played if one.stream == name) and "real" not in name]
    changing = [name for name in names if any(one.change is not None for one in played if one.stream == name)]
    lines = [
        "# Decisions, measured",
        "",
        "Whose alerts can be acted on? A rule that cries each day teaches people to look away; one that is silent lets users bear the loss. "
        "Here Noria and the usual rules watch the same streams. The one to copy is `watch=[nr.drift(), nr.joint_drift(), nr.quality(…)]` with "
        '`nr.Retrain(probe=True, ask="14d")`: it is what `noria init` writes.',
        "",
        f"Made by `python bench/decisions.py {seeds} --write`: {seeds} seeds of each simulated stream (90 days of reference, 120 of production, "
        "300 rows a day; a change comes on day 40), and one real year. Each alert asks for a retraining under one cooldown (14 days, "
        "10 days of new outcomes). The streams and rules are in `bench/deciding`; rules of other tools are their documented defaults.",
        "",
        "## All together",
        "",
        "| rule | false alarms a month | changes found | median delay, days | retrainings that helped | that did not | loss beyond the oracle |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule, ones in by_rule.items():
        simulated = [one for one in ones if "real" not in one.stream]
        with_change = [one for one in simulated if one.change is not None]
        delays = [one.delay for one in with_change if one.delay == one.delay]
        false = np.mean([one.false_per_month for one in simulated])
        did_not = sum(len(one.retrained) - one.helped for one in simulated)
        beyond = 1_000 * np.mean([one.loss - best[one.stream] for one in simulated])
        found = f"{len(delays)} of {len(with_change)}" if rule not in BY_THE_CALENDAR else "–"
        delay = f"{np.median(delays):.0f}" if delays and found != "–" else "–"
        alarms = f"{false:.2f}" if found != "–" else "–"
        lines.append(f"| {rule} | {alarms} | {found} | {delay} | {sum(one.helped for one in simulated)} | {did_not} | {beyond:.1f} |")
    lines += [
        "",
        "Loss is in thousandths of a nat per row. The oracle takes, on each day, the best of all models that could have been trained by then.",
        "",
    ]
    lines += ["A rule that alerts every day finds every change at once: its delay says nothing beside its false alarms.", ""]
    lines += _table(
        "False alarms a month while nothing has changed",
        by_rule,
        [*quiet, *changing],
        lambda ones: f"{np.mean([o.false_per_month for o in ones]):.1f}",
    )
    lines += _table("Median days from the change to the first alert (and how many never noticed)", by_rule, changing, _delay)
    lines += _table(
        "Retrainings: helped / did not",
        by_rule,
        names,
        lambda ones: f"{sum(o.helped for o in ones)} / {sum(len(o.retrained) - o.helped for o in ones)}",
    )
    lines += _table(
        "Loss beyond the oracle, thousandths of a nat",
        by_rule,
        names,
        lambda ones: f"{1_000 * (np.mean([o.loss for o in ones]) - best[ones[0].stream]):.1f}",
    )
    return "\n".join(lines).rstrip()


def _table(title: str, by_rule: dict[str, list[Played]], names: list[str], cell) -> list[str]:  # type: ignore[no-untyped-def]
    lines = [f"## {title}", "", f"| rule | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for rule, ones in by_rule.items():
        if ("alarms" in title or "days from" in title) and rule in BY_THE_CALENDAR:
            continue
        lines.append(f"| {rule} | " + " | ".join(cell([one for one in ones if one.stream == name]) for name in names) + " |")
    return [*lines, ""]


def _delay(ones: list[Played]) -> str:
    delays = [one.delay for one in ones]
    missed = sum(delay != delay for delay in delays)
    said = f"{np.nanmedian(delays):.0f}" if missed < len(delays) else "–"
    return f"{said} ({missed})" if missed else said


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(numbers[0] if numbers else 5)
