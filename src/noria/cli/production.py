"""`noria production` and `noria versions`: what answers, what answered on any date, and who moved which alias when and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import NotFound, RequestInvalid
from noria.core.registry import AliasMove, ModelVersion
from noria.ledger.production import InProduction, history, in_production, pointed_at
from noria.stages.registry import versions as registered

AsOf = Annotated[str, typer.Option("--as-of", help="A date or moment, UTC, such as 2026-01-05T10:00. Now when left out.")]
MOVES_SHOWN = 40


@plainly
def production(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="One model; all when left out.")] = "",
    as_of: AsOf = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in production, or what was on any date: version, since when, who put it there and why.

    [bold]noria production --as-of 2026-01-05T10:00[/]
    """
    opened = Opened(home)
    at = moment(as_of) or opened.world.clock.now()
    found = in_production(opened.world.records, at, model)
    if model and not found:
        raise NotFound(f"nothing of {model!r} was in production on {at:%Y-%m-%d %H:%M}", fix=f"`noria versions {model}` tells its history")
    if as_json:
        answer({"as_of": at, "production": found}, as_json=True)
        return
    if not found:
        console.print(f"nothing was in production on {at:%Y-%m-%d %H:%M} UTC")
        return
    console.print(f"in production on {at:%Y-%m-%d %H:%M} UTC")
    table = Table("model", "version", "since", "until", "by", "why", box=None, header_style="dim")
    for one in found:
        table.add_row(*_cells(one))
    console.print(table)


@plainly
def versions(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A loop, or a deployment without one.")],
    as_of: AsOf = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List a model's versions with their aliases, now or on any date, and who moved which alias when and why.

    [bold]noria versions late-arrival --as-of 2026-01-05T10:00[/]
    """
    opened = Opened(home)
    at = moment(as_of) or opened.world.clock.now()
    found = [one for one in registered.versions(opened.world.records, model) if one.created_at <= at]
    moves = [move for move in history(opened.world.records, model) if move.at <= at]
    if not found:
        raise NotFound(f"{model!r} had no version on {at:%Y-%m-%d %H:%M}", fix="`noria production` lists models")
    points = pointed_at(moves, at)
    aliases = {one.number: sorted(alias for alias, number in points.items() if number == one.number) for one in found}
    if as_json:
        told = [_plain(one, aliases[one.number]) for one in found]
        answer({"model": model, "as_of": at, "versions": told, "moves": moves}, as_json=True)
        return
    table = Table("version", "aliases", "made", "marks", "verdict", "from", box=None, header_style="dim")
    for one in reversed(found):
        table.add_row(*_row(one, aliases[one.number]))
    console.print(table)
    _tell_moves(moves)


def moment(text: str) -> datetime | None:
    """A date or moment as a person writes it, UTC where it names no zone; None for "".

    Raises:
        RequestInvalid: it is none.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestInvalid(f"--as-of {text!r} is no date", fix="write for example 2026-01-05, or 2026-01-05T10:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _cells(one: InProduction) -> tuple[str, ...]:
    version = f"v{one.version}" if one.version else "[yellow]taken away[/]"
    beside = f" [dim]beside v{one.challenger}, {one.rollout}[/]" if one.challenger else ""
    since = f"{one.since:%Y-%m-%d %H:%M}" if one.since else ""
    return one.model, version + beside, since, f"{one.until:%Y-%m-%d %H:%M}" if one.until else "", escape(one.by), escape(one.reason)


def _plain(one: ModelVersion, aliases: list[str]) -> dict[str, object]:
    marks = {name: mark.value for name, mark in one.scorecard.metrics.items()}
    return {
        "number": one.number,
        "aliases": aliases,
        "created_at": one.created_at,
        "verdict": one.verdict.outcome,
        "metrics": marks,
        "turn": one.turn,
        "origin": one.origin,
        "artifact": one.candidate.artifact,
    }


def _row(one: ModelVersion, aliases: list[str]) -> tuple[str, ...]:
    marks = ", ".join(f"{name} {mark.value:.4f}" for name, mark in list(one.scorecard.metrics.items())[:2])
    where = escape(one.origin or one.turn)
    return f"v{one.number}", f"[bold]{', '.join(aliases)}[/]", f"{one.created_at:%Y-%m-%d %H:%M}", marks, str(one.verdict.outcome), where


def _tell_moves(moves: list[AliasMove]) -> None:
    if not moves:
        return
    console.print("\n[dim]who moved which alias, when and why[/]")
    table = Table("moved", "from", "to", "when", "by", "why", box=None, header_style="dim")
    for move in moves[-MOVES_SHOWN:][::-1]:
        was, now = (f"v{number}" if number else "–" for number in (move.before, move.after))
        table.add_row(move.alias, was, now, f"{move.at:%Y-%m-%d %H:%M}", escape(move.by), escape(move.reason))
    console.print(table)
    if len(moves) > MOVES_SHOWN:
        console.print(f"[dim]and {len(moves) - MOVES_SHOWN} moves before them, see --json[/]")
