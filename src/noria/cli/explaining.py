"""Why one request was answered so, and what would have changed the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import RequestInvalid
from noria.core.explaining import Constraints, Counterfactual, ExplainedRequest, Reason, Search
from noria.core.traffic import Scalar
from noria.loop.explaining import explain_request
from noria.stages.evaluation.reasons import reasons

WAYS = {"": 0, "higher": 1, "lower": -1}
WIDTH = 24
SHOWN = 12

Loop = Annotated[str, typer.Argument(help="The loop (deployment) that was asked.")]
Id = Annotated[str, typer.Argument(help="The request's id.")]


@plainly
def explain(
    loop: Loop,
    request_id: Id,
    adverse: Annotated[
        str, typer.Option(help="higher or lower: which answers are the unwelcome ones; names the principal reasons, at most four.")
    ] = "",
    never: Annotated[
        list[str] | None, typer.Option("--never", help="A feature that may not be named as a reason; may be given often.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say why a request was answered so: each feature's part, on the scale on which the model adds up.

    [bold]noria explain late-arrival f-20131227-0412[/]

    [bold]noria explain credit a-17 --adverse lower --never age[/]

    Trees and linear models are explained exactly, all others by sampling. Parts and base add up to the answer.
    """
    if adverse not in WAYS:
        raise RequestInvalid(f"{adverse!r} is no way for an answer to be adverse", fix="write --adverse higher, or --adverse lower")
    opened = Opened(home)
    found = explain_request(opened.world, opened.loop(loop), request_id)
    why = reasons(found.explanation, against=found.against, wrong_way=WAYS[adverse], never=never or ()) if adverse else ()
    if as_json:
        answer({"request": found, "reasons": why} if adverse else found, as_json=True)
        return
    _show(found)
    if adverse:
        _show_reasons(why, found, adverse)


@plainly
def counterfactual(
    loop: Loop,
    request_id: Id,
    target: Annotated[
        float | None, typer.Option(help="The answer to reach; the version's threshold, or the median value, when left out.")
    ] = None,
    above: Annotated[bool | None, typer.Option("--above/--below", help="Which side of the target; the other one, when left out.")] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="A feature that must stay as it is; may be given often.")] = None,
    up: Annotated[list[str] | None, typer.Option("--up", help="A feature that may only rise.")] = None,
    down: Annotated[list[str] | None, typer.Option("--down", help="A feature that may only fall.")] = None,
    step: Annotated[list[str] | None, typer.Option("--step", help="feature=unit that it changes by, as income=100.")] = None,
    most: Annotated[int, typer.Option(help="Features that may change at once.", min=1, max=5)] = 3,
    count: Annotated[int, typer.Option(help="How many to look for.", min=1, max=10)] = 3,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Find what would have changed an answer: the smallest plausible changes, and the nearest real row.

    [bold]noria counterfactual late-arrival f-20131227-0412 --keep carrier --down dep_delay[/]
    """
    opened = Opened(home)
    allowed = Constraints(
        keep=frozenset(keep or ()), up=frozenset(up or ()), down=frozenset(down or ()), step=_units(step or []), most=most
    )
    search = Search(constraints=allowed, target=target, up=above, count=count)
    found = explain_request(opened.world, opened.loop(loop), request_id, search=search)
    if as_json:
        answer(found.counterfactuals, as_json=True)
        return
    console.print(f"{_answered(found)}; it would have been")
    if not found.counterfactuals:
        console.print("  … the same, whatever was tried under these constraints")
    for one in found.counterfactuals:
        _show_other(one)


def _units(given: list[str]) -> dict[str, float]:
    units = {}
    for pair in given:
        name, sign, unit = pair.partition("=")
        try:
            units[name] = float(unit)
        except ValueError:
            sign = ""
        if not sign or units[name] <= 0:
            raise RequestInvalid(f"{pair!r} is no feature=unit pair", fix="write for example --step income=100")
    return units


def _show(found: ExplainedRequest) -> None:
    one = found.explanation
    console.print(f"{_answered(found)} [dim]· {found.role} {one.version} · {found.time:%Y-%m-%d %H:%M}[/]")
    if found.outcome is not None:
        console.print(f"what really happened: [bold]{escape(str(found.outcome))}[/]")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("feature")
    table.add_column("value", justify="right")
    table.add_column(f"part ({one.scale})", justify="right")
    table.add_column("")
    largest = max((abs(part.part) for part in one.parts), default=0.0) or 1.0
    for part in one.parts[:SHOWN]:
        bar = "█" * round(WIDTH * abs(part.part) / largest)
        table.add_row(
            escape(part.feature), escape(_said(part.value)), f"{part.part:+.3f}", f"[{'red' if part.part > 0 else 'cyan'}]{bar}[/]"
        )
    if len(one.parts) > SHOWN:
        rest = sum(part.part for part in one.parts[SHOWN:])
        table.add_row(f"[dim]{len(one.parts) - SHOWN} more[/]", "", f"[dim]{rest:+.3f}[/]", "")
    console.print(table)
    held = "the rows that it was trained on" if not one.background else f"held-out rows {one.background[7:19]}"
    sampled = f", sampled to ±{one.spread:.2g}" if one.method == "permutation" else ""
    console.print(f"[dim]base {one.base:+.3f} + parts = {one.margin:+.3f}, by {one.method}{sampled}, against {held}[/]")


def _show_other(one: Counterfactual) -> None:
    changes = ", ".join(f"{escape(c.feature)} {escape(_said(c.before))} → [bold]{escape(_said(c.after))}[/]" for c in one.changes)
    doubt = "" if one.plausible else " [yellow](unlike real rows)[/]"
    with_ = "as a real row was:" if one.found == "row" else "with"
    console.print(f"  [bold]{one.answer:.4g}[/] {with_} {changes}{doubt}")


def _show_reasons(why: Sequence[Reason], found: ExplainedRequest, adverse: str) -> None:
    console.print(f"principal reasons, where {adverse} is adverse, against the average of held-out rows:")
    if not why:
        console.print("  none: every part helped")
    for place, one in enumerate(why, 1):
        console.print(f"  {place}. {escape(one.text)} [dim]{one.part:+.3f} {found.explanation.scale}[/]")


def _answered(found: ExplainedRequest) -> str:
    label = f" ({escape(found.label)})" if found.label else ""
    return f"{escape(found.request_id)} was answered [bold]{found.explanation.answer:.4g}[/]{label}"


def _said(value: Scalar) -> str:
    if value is None:
        return "missing"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
