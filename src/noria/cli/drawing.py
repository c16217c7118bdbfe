"""The pieces of the live view: bars, charts and the ring, each a line or block of styled text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from noria.cli.live_state import DriftBar, LiveState, QualityPoint

WATER, FOAM, AMBER, GOOD, BAD, QUIET = "#3fb6c6", "#9fe3ea", "#ffb454", "#7fd88f", "#ff6b6b", "grey50"
TRACK = "grey27"
TONES = {"plain": "", "good": GOOD, "warn": AMBER, "bad": BAD, "quiet": QUIET}
SIGNS = {"plain": "·", "good": "✔", "warn": "▲", "bad": "✖", "quiet": "·"}

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ABOVE = ("data", "features", "tuning", "training", "evaluation")
_BELOW = ("monitoring", "serving", "registry", "governance")


def bar(share: float, width: int, colour: str) -> Text:
    """A bar of `width` cells, filled to `share` (0 to 1)."""
    filled = round(min(1.0, max(0.0, share)) * width)
    if share > 0 and not filled:
        filled = 1
    return Text.assemble(("━" * filled, colour), ("━" * (width - filled), TRACK))


def spark(shares: Sequence[float], colour: str) -> Text:
    """One small column per share, the largest as high as the line."""
    top = max(shares, default=0.0)
    return Text("".join(_EIGHTHS[1 + (round(7 * share / top) if top else 0)] for share in shares), style=colour)


def ring(state: LiveState, width: int) -> Text:
    """The wheel: stations from left to right above, and back below; the one at work is lit.

    Serving and monitoring are alive as long as there is a champion.
    """
    top, bottom = _way(state, _ABOVE, " ─▶ "), _way(state, _BELOW, " ◀─ ")
    inner = max(top.cell_len, bottom.cell_len) + 6
    left = " " * max(0, (width - inner - 4) // 2)
    above = (left + "╭─▶ ", QUIET), top, (" " + "─" * (inner - top.cell_len - 4) + "╮", QUIET)
    middle = (left + "│   ", QUIET), _hub(state, inner - 4), (" │", QUIET)
    below = (left + "╰── ", QUIET), bottom, (" ◀" + "─" * (inner - bottom.cell_len - 5) + "╯", QUIET)
    return Text.assemble(*above, "\n", *middle, "\n", *below, no_wrap=True)


def _way(state: LiveState, names: Sequence[str], arrow: str) -> Text:
    return Text(arrow, style=QUIET).join(_station(state, name) for name in names)


def _station(state: LiveState, name: str) -> Text:
    if name == state.station:
        return Text(f" {name} ", style=f"bold black on {AMBER}")
    if name in ("serving", "monitoring") and state.champion is not None:
        return Text(f" {name} ", style=f"bold {WATER}")
    return Text(f" {name} ", style="grey62")


def _hub(state: LiveState, width: int) -> Text:
    said = [part for part in (state.turn, state.station_note) if part] or [state.next_action or "the wheel rests, the stream flows"]
    text = Text("  ·  ".join(said), style=AMBER if state.turn else QUIET)
    text.truncate(width, overflow="ellipsis")
    text.align("center", width)
    return text


def chart(points: Sequence[QualityPoint], *, width: int, height: int, reference: float, limit: float) -> list[Text]:
    """Quality over time as columns, newest right: green at home, amber on its way, red beyond the limit.

    A history longer than the chart is wide is averaged, so that all of it is seen.
    """
    values = _averaged([p.value for p in points if not math.isnan(p.value)], width)
    if not values:
        return [Text("no outcomes yet: quality is unknown, and said so", style=QUIET)] + [Text("")] * (height - 1)
    known = [v for v in (reference, limit) if not math.isnan(v)]
    low, high = min([*values, *known]), max([*values, *known])
    bottom, top = low - max(0.15 * (high - low), 1e-6), high + max(0.03 * (high - low), 1e-6)
    levels = [(value - bottom) / (top - bottom) * height * 8 for value in values]
    mark = -1 if math.isnan(reference) else min(height - 1, int((reference - bottom) / (top - bottom) * height))
    rows = []
    for row in range(height - 1, -1, -1):
        line = Text(" ")
        for value, level in zip(values, levels, strict=True):
            cell = _EIGHTHS[min(8, max(0, round(level - row * 8)))]
            line.append("┄" if cell == " " and row == mark else cell, style=TRACK if cell == " " else _judged(value, reference, limit))
        line.append(("┄" if row == mark else " ") * (width - len(values)), style=TRACK)
        rows.append(line)
    return rows


def _averaged(values: Sequence[float], width: int) -> list[float]:
    together = math.ceil(len(values) / width) or 1
    groups = [values[max(0, end - together) : end] for end in range(len(values), 0, -together)]
    return [sum(group) / len(group) for group in reversed(groups)]


def _judged(value: float, reference: float, limit: float) -> str:
    """The colour of a value by how much of the way from the reference to the limit it has gone, up or down."""
    if math.isnan(reference) or math.isnan(limit) or reference == limit:
        return WATER
    gone = (reference - value) / (reference - limit)
    return BAD if gone >= 1 else AMBER if gone >= 0.5 else GOOD


def drift_lines(bars: Sequence[DriftBar], *, width: int, most: int) -> list[Text]:
    """One line per feature: its name, how near its limit it is, and the numbers."""
    lines = []
    for one in list(bars)[:most]:
        share = one.value / one.threshold if one.threshold > 0 else 0.0
        colour = BAD if one.firing else AMBER if share >= 1 else WATER
        name = (f" {one.name[:13]:<13} ", f"bold {BAD}" if one.firing else "")
        lines.append(
            Text.assemble(name, bar(share / 1.5, max(6, width - 30), colour), (f" {one.value:5.2f} of {one.threshold:.2f}", QUIET))
        )
    return lines or [Text(" every feature is at home", style=QUIET)]


def number(value: float, unit: str = "") -> str:
    """A count as people read it; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:,.0f}{unit}" if value >= 100 or value == int(value) else f"{value:,.2f}{unit}"
