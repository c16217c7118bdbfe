"""The panels of the live view, and how they lie on the screen."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from noria.cli.drawing import AMBER, BAD, FOAM, GOOD, QUIET, SIGNS, TONES, TRACK, WATER, bar, chart, drift_lines, number, ring
from noria.cli.live_state import LiveState

Draw = Callable[[LiveState, int, int], RenderableType]
"""Draws one panel of a state into a width and a height in cells."""


class _Sized:
    """A panel that is drawn once its size is known."""

    def __init__(self, draw: Draw, state: LiveState) -> None:
        self._draw, self._state = draw, state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._draw(self._state, options.max_width, options.height or options.max_height)


def frame(state: LiveState) -> Layout:
    """One whole picture: header, wheel, traffic beside quality and drift, ledger."""
    middle = Layout(size=11)
    middle.split_row(Layout(_Sized(_traffic, state), ratio=5), Layout(_Sized(_watch, state), ratio=6))
    whole = Layout()
    whole.split_column(
        Layout(_Sized(_header, state), size=3), Layout(_Sized(_wheel, state), size=5), middle, Layout(_Sized(_ledger, state), ratio=1)
    )
    return whole


def _header(state: LiveState, width: int, height: int) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1, no_wrap=True)
    grid.add_column(justify="center", no_wrap=True)
    grid.add_column(justify="right", ratio=1, no_wrap=True)
    moment = f"{state.now:%a %d %b %Y  %H:%M}" if state.now else "not begun"
    clock = Text.assemble((moment, f"bold {FOAM}"), (f"   ×{state.speed:,.0f}" if state.speed else "", QUIET))
    track = Text.assemble(bar(state.progress, max(8, width // 6), WATER), (f" {state.progress:4.0%} {state.elapsed_s:3.0f} s", QUIET))
    grid.add_row(Text.assemble(("◍ noria", f"bold {WATER}"), (f"  {state.loop}", "bold")), clock, track)
    return Panel(grid, box=ROUNDED, border_style=TRACK, padding=(0, 1), height=height)


def _wheel(state: LiveState, width: int, height: int) -> RenderableType:
    return Panel(ring(state, width - 4), box=ROUNDED, border_style=AMBER if state.turn else TRACK, padding=(0, 1), height=height)


def _traffic(state: LiveState, width: int, height: int) -> RenderableType:
    inner = width - 4
    lines = [*_split(state, inner), Text("")]
    counted = Table.grid(expand=True, padding=(0, 1))
    for _ in range(2):
        counted.add_column()
        counted.add_column(justify="right")
    bad = f"bold {BAD}" if state.failed else GOOD
    counted.add_row(_quiet("requests"), number(state.requests), _quiet("failed"), Text(number(state.failed), style=bad))
    counted.add_row(
        _quiet("outcomes"),
        number(state.outcomes),
        _quiet("fallbacks"),
        Text(number(state.fallbacks), style=AMBER if state.fallbacks else ""),
    )
    counted.add_row(_quiet("p50"), number(state.latency_p50_ms, " ms"), _quiet("p99"), number(state.latency_p99_ms, " ms"))
    rate = f"{state.rate:,.0f}/s" if state.rate else ""
    return _panel("traffic", Group(*lines, counted), height, aside=rate)


def _split(state: LiveState, width: int) -> list[RenderableType]:
    """Who answers: the champion's and the challenger's share, and where the rollout is."""
    share = state.share if state.challenger is not None else 0.0
    cells = max(8, width - 21)

    def line(role: str, version: int | None, part: float, colour: str) -> Text:
        name = (f"{role:<11}", colour if version else QUIET)
        number = (f"{f'v{version}' if version else '–':<5}", "bold" if version else QUIET)
        return Text.assemble(name, number, bar(part if version else 0.0, cells, colour), (f"{part:5.0%}" if version else "", colour))

    note = Text(state.rollout or "no challenger on the way", style=AMBER if state.rollout else QUIET)
    note.truncate(width, overflow="ellipsis")
    return [
        line("champion", state.champion, 1 - share, WATER),
        line("challenger", state.challenger, share, AMBER),
        note,
    ]


def _watch(state: LiveState, width: int, height: int) -> RenderableType:
    inner = width - 4
    drift_rows = 3
    rows = max(2, height - 2 - drift_rows - 1)
    name = state.quality_metric or "quality"
    newest = next((p for p in reversed(state.quality) if not math.isnan(p.value)), None)
    said = f"{name} {newest.value:.3f}  ({newest.low:.3f} to {newest.high:.3f})" if newest else name
    body = [
        *chart(state.quality, width=inner - 2, height=rows, reference=state.reference, limit=state.limit),
        Text(""),
        *drift_lines(state.drift, width=inner, most=drift_rows),
    ]
    at_home = "" if math.isnan(state.reference) else f"at birth of v{state.champion} {state.reference:.3f}"
    return _panel(said, Group(*body), height, aside=at_home)


def _ledger(state: LiveState, width: int, height: int) -> RenderableType:
    rows = max(1, height - 2)
    lines: list[RenderableType] = []
    for title in list(state.incidents)[:2]:
        lines.append(_fitted(Text.assemble((" ▲ incident  ", f"bold {BAD}"), (title, BAD)), width - 4))
    if state.decision:
        lines.append(_fitted(Text.assemble((" ◆ decision  ", f"bold {FOAM}"), (state.decision, FOAM)), width - 4))
    for one in list(state.happenings)[-(rows - len(lines)) :] if rows > len(lines) else ():
        sign, kind = (f" {SIGNS[one.tone]} ", TONES[one.tone] or QUIET), (f"{one.kind:<20} ", TONES[one.tone] or "bold")
        lines.append(_fitted(Text.assemble(sign, (f"{one.at:%d %b %H:%M}  ", QUIET), kind, one.text), width - 4))
    return _panel("ledger", Group(*lines), height, aside=state.page)


def _panel(title: str, body: RenderableType, height: int, *, aside: str = "") -> Panel:
    return Panel(
        body,
        height=height,
        title=Text(title, style="bold default"),
        title_align="left",
        subtitle=Text(aside, style=QUIET) if aside else None,
        subtitle_align="right",
        box=ROUNDED,
        border_style=TRACK,
        padding=(0, 1),
    )


def _fitted(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text


def _quiet(words: str) -> Text:
    return Text(words, style=QUIET)
