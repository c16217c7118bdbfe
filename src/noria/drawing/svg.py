"""Small drawings by hand, for where there are many: a hundred of these cost less than one chart of Vega.

Colours are the house's CSS variables, so a page around them decides between light and dark. Everything a user
named is escaped here; what comes back is markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log10

from markupsafe import Markup, escape

from noria.core.checking import Bar
from noria.core.schema import Estimate
from noria.core.watching import Level, Reading

FEW = 14
"""So many bars or fewer are drawn as pairs of bars; more of them as two areas."""


def distribution(bars: Sequence[Bar], *, width: int, height: int) -> Markup:
    """Two distributions over each other: the reference as a grey ground, the current one in colour."""
    top = max((max(bar.before, bar.now) for bar in bars), default=0.0) or 1.0
    step = width / max(len(bars), 1)
    drawn = _pairs(bars, step, height, top) if len(bars) <= FEW else _areas(bars, step, height, top)
    return _svg(width, height, "dist", f"{drawn}<path class=axis d='M0 {height - 0.5}H{width}'/>")


def distribution_with_labels(bars: Sequence[Bar], *, width: int, height: int) -> Markup:
    """The same, large: with shares at the left, values below, and both shares where one points."""
    left, foot, head = 44, 24, 8
    room, tall = width - left - 6, height - foot - head
    top = max((max(bar.before, bar.now) for bar in bars), default=0.0) or 1.0
    step = room / max(len(bars), 1)
    drawn = _pairs(bars, step, tall, top) if len(bars) <= FEW else _areas(bars, step, tall, top)
    lines = "".join(f"<path class=grid d='M0 {tall * (1 - k / 2):.1f}H{room}'/>" for k in (1, 2))
    shares = "".join(
        f"<text x={left - 8} y={head + tall * (1 - k / 2) + 4:.1f} class=end>{_percent(top * k / 2)}</text>" for k in (0, 1, 2)
    )
    hovers = "".join(
        f"<rect class=hover x={k * step:.1f} y=0 width={step:.1f} height={tall}><title>{escape(bar.label)}: {_percent(bar.before)} before, {_percent(bar.now)} now</title></rect>"
        for k, bar in enumerate(bars)
    )
    inner = f"<g transform='translate({left} {head})'>{lines}{drawn}<path class=axis d='M0 {tall}H{room}'/>{hovers}</g>"
    return _svg(width, height, "dist large", f"{shares}{inner}{_labels(bars, left, step, room, height - 7)}")


def against_limit(value: float, limit: float, *, width: int = 120, height: int = 16, tone: str = "") -> Markup:
    """A bar for a value, with a tick at its limit in the middle; beyond it lengths are logarithms, and the end is ten limits."""
    if not (isfinite(value) and isfinite(limit) and limit > 0):
        return Markup("")
    tick = width / 2
    ratio = max(value, 0.0) / limit
    long = tick * ratio if ratio <= 1 else tick * (1 + min(log10(ratio), 1.0))
    middle = height / 2
    body = f"<path class=track d='M0 {middle}H{width}'/><path class='bar {tone}' d='M0 {middle}H{max(long, 1.5):.1f}'/><path class=tick d='M{tick:.1f} 2V{height - 2}'/>"
    return _svg(width, height, "limit", body)


def dumbbell(before: float, now: float, *, low: float = -1.0, high: float = 1.0, width: int = 160, height: int = 16) -> Markup:
    """Two values on one scale: where it was, where it is."""
    at = [4 + (width - 8) * (min(max(one, low), high) - low) / (high - low) for one in (before, now, 0.0)]
    middle = height / 2
    zero = f"<path class=zero d='M{at[2]:.1f} 1V{height - 1}'/>" if low < 0 < high else ""
    body = f"{zero}<path class=link d='M{at[0]:.1f} {middle}H{at[1]:.1f}'/><circle class=was cx={at[0]:.1f} cy={middle} r=3.5 /><circle class=is cx={at[1]:.1f} cy={middle} r=4 />"
    return _svg(width, height, "dumbbell", body)


def interval(mark: Estimate, other: Estimate | None = None, *, among: Sequence[Estimate] = (), width: int = 160) -> Markup:
    """One estimate as a bar with its interval, another in grey above it, on a scale that holds all of `among` too."""
    known = [one for one in (mark, *([other] if other else []), *among) if isfinite(one.low) and isfinite(one.high)]
    if not known or not isfinite(mark.low) or not isfinite(mark.high):
        return Markup("")
    least, most = min(one.low for one in known), max(one.high for one in known)
    room = (most - least) or 1.0
    drawn = []
    for kind, one, y in (("was", other, 5), ("is", mark, 13 if other else 9)):
        if one is not None and isfinite(one.low) and isfinite(one.high):
            low, at, high = (8 + (width - 16) * (end - least) / room for end in (one.low, one.value, one.high))
            drawn.append(f"<path class={kind} d='M{low:.1f} {y}H{high:.1f}'/><circle class={kind} cx={at:.1f} cy={y} r=3 />")
    return _svg(width, 18, "interval", "".join(drawn))


def difference(mark: Estimate, *, width: int = 160) -> Markup:
    """A difference with its interval against zero: right is better."""
    if not (isfinite(mark.low) and isfinite(mark.high)):
        return Markup("")
    reach = max(abs(mark.low), abs(mark.high), 1e-6)
    middle, scale = width / 2, (width / 2 - 8) / reach
    tone = "better" if mark.low > 0 else "worse" if mark.high < 0 else "open"
    low, at, high = (middle + scale * end for end in (mark.low, mark.value, mark.high))
    body = f"<path class=zero d='M{middle} 1V17'/><path class=is d='M{low:.1f} 9H{high:.1f}'/><circle class=is cx={at:.1f} cy=9 r=3 />"
    return _svg(width, 18, f"interval {tone}", body)


def heat(rows: Sequence[Sequence[int | None]], *, height: int = 14, gap: int = 3) -> Markup:
    """Rows of cells in the house's heat, 0 to 5, as wide as their place; None is left blank. One path for each colour keeps it small."""
    cell, paths = 10, dict[int, list[str]]()
    for y, row in enumerate(rows):
        for x, level in enumerate(row):
            if level is not None:
                paths.setdefault(level, []).append(f"M{x * cell} {y * (height + gap)}h9v{height}h-9z")
    width = max((len(row) for row in rows), default=0) * cell
    body = "".join(f"<path class=h{level} d='{''.join(found)}'/>" for level, found in sorted(paths.items()))
    return _svg(width, len(rows) * (height + gap), "heat", body, stretch=True)


def history(readings: Sequence[Reading], *, width: int, height: int) -> Markup:
    """Readings over time with their limit; breaches are dots. Chunks with too few rows are left out."""
    known = [one for one in readings if one.level is not Level.NOT_ENOUGH and isfinite(one.value) and isfinite(one.threshold)]
    if len(known) < 2:
        return Markup("")
    top = max(max(one.value, one.threshold) for one in known) * 1.05 or 1.0
    low = min(0.0, *(one.value for one in known))
    at = [(4 + (width - 8) * n / (len(known) - 1), one) for n, one in enumerate(known)]

    def y(value: float) -> float:
        return (height - 3) * (1 - (value - low) / (top - low)) + 1.5

    line = "".join(f"{'L' if n else 'M'}{x:.1f} {y(one.value):.1f}" for n, (x, one) in enumerate(at))
    limit = "".join(f"{'L' if n else 'M'}{x:.1f} {y(one.threshold):.1f}" for n, (x, one) in enumerate(at))
    dots = "".join(
        f"<circle cx={x:.1f} cy={y(one.value):.1f} r=2.6><title>{one.time:%-d %b %Y}: {one.value:.3g}, limit {one.threshold:.3g}</title></circle>"
        for x, one in at
        if one.level is Level.BREACH
    )
    return _svg(width, height, "history", f"<path class=limit d='{limit}'/><path class=is d='{line}'/>{dots}")


def _svg(width: float, height: float, name: str, body: str, *, stretch: bool = False) -> Markup:
    how = " preserveAspectRatio=none" if stretch else ""
    return Markup(
        f"<svg class='{name}' viewBox='0 0 {width:g} {height:g}' width={width:g} height={height:g}{how} aria-hidden=true>{body}</svg>"
    )


def _pairs(bars: Sequence[Bar], step: float, height: float, top: float) -> str:
    """Two bars beside each other for each value."""
    wide = min(step * 0.36, 22.0)
    ground: list[str] = []
    front: list[str] = []
    for k, bar in enumerate(bars):
        middle = (k + 0.5) * step
        for path, start, share in ((ground, middle - wide, bar.before), (front, middle, bar.now)):
            tall = share / top * (height - 2)
            path.append(f"M{start:.1f} {height:g}v-{tall:.1f}h{wide:.1f}v{tall:.1f}z")
    return f"<path class=was d='{''.join(ground)}'/><path class=is d='{''.join(front)}'/>"


def _areas(bars: Sequence[Bar], step: float, height: float, top: float) -> str:
    """Two steps over each other: a filled one and a line."""
    ground = "".join(f"V{height - bar.before / top * (height - 2):.1f}h{step:.2f}" for bar in bars)
    front = "".join(f"V{height - bar.now / top * (height - 2):.1f}h{step:.2f}" for bar in bars)
    return f"<path class=was d='M0 {height:g}{ground}V{height:g}z'/><path class='is line' d='M0 {height:g}{front}V{height:g}'/>"


def _labels(bars: Sequence[Bar], left: float, step: float, room: float, y: float) -> str:
    """As many values below the bars as have room; of ranges only where they begin."""
    if not bars:
        return ""
    if len(bars) > FEW:
        places = [k * (len(bars) - 1) // 4 for k in range(5)]
        return "".join(
            f"<text x={left + k * step:.1f} y={y}{'' if k else ' class=start'}>{escape(bars[k].label.partition(' to ')[0][:12])}</text>"
            for k in places
        )
    fits = max(int(step / 6.2), 2)
    every = 1 if fits >= 4 or max(len(bar.label) for bar in bars) <= fits else -(-4 // fits)
    return "".join(
        f"<text x={left + (k + 0.5) * step:.1f} y={y}>{escape(_short(bar.label, fits * every))}</text>"
        for k, bar in enumerate(bars)
        if k % every == 0
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(most - 1, 1)]}…"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%" if share >= 0.001 or share == 0 else f"{share * 100:.1g}%"
