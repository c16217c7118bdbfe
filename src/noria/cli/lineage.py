"""`noria lineage`: what came from what, as two trees."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.lineage import Kind, Lineage, Node
from noria.ledger.lineage.tracked import weave
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of
from noria.loop.answered import answered_by

DEPTH = 12


@plainly
def lineage(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A dataset, digest, view, feature, turn, run, version, deployment, table, job, or request id."),
    ],
    up: Annotated[bool, typer.Option("--up", help="Only what it came from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what came of it.")] = False,
    features: Annotated[bool, typer.Option("--features", help="Follow features one by one.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what a thing came from and what came of it: dataset, view, run, version, deployment, answer.

    [bold]noria lineage late-arrival@3 --up[/] · [bold]noria lineage wind_speed --down[/] (the models that use a feature) · [bold]noria lineage req-123[/]

    Where several things have one name, write its kind before it: [bold]dataset:flights[/].
    """
    opened = Opened(home)
    both = up == down
    web = web_of(opened.world.records)
    if opened.world.store is not None:
        weave(web, opened.world.store)
    found = lineage_of(
        web,
        what,
        up=up or both,
        down=down or both,
        features=features,
        asked=lambda id: answered_by(opened.world, id),
    )
    if as_json:
        answer(found, as_json=True)
        return
    for start in found.of:
        console.print(_headline(next(node for node in found.nodes if node.id == start)), soft_wrap=True)
        if up or both:
            _show(found, start, "came from", upwards=True)
        if down or both:
            _show(found, start, "went into", upwards=False)
    if found.left_out:
        console.print(f"[yellow]{found.left_out:,} more were not followed[/]; ask about one of these, or one way only")


def _show(found: Lineage, start: str, title: str, *, upwards: bool) -> None:
    nodes = {node.id: node for node in found.nodes}
    ways: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for link in found.links:
        near, far = (link.below, link.above) if upwards else (link.above, link.below)
        ways[near].append((far, link.said))
    tree = Tree(f"[dim]{title}[/]", guide_style="dim")
    told: set[str] = set()

    def grow(branch: Tree, here: str, depth: int) -> None:
        for there, said in sorted(ways.get(here, ())):
            again = there in told and ways.get(there)
            more = " [dim]…, as above[/]" if again else ""
            below = branch.add(f"{_headline(nodes[there])}{f' [dim]({escape(said)})[/]' if said else ''}{more}")
            told.add(there)
            if not again and depth < DEPTH:
                grow(below, there, depth + 1)

    grow(tree, start, 0)
    console.print(tree if tree.children else f"[dim]{title}: nothing on record[/]")


def _headline(node: Node) -> str:
    name = node.name[:19] if node.kind is Kind.DATA else node.name
    at = f" [dim]{node.at:%Y-%m-%d %H:%M}[/]" if node.at else ""
    return f"[bold]{node.kind}[/] {escape(name)}{f' [dim]{escape(node.note)}[/]' if node.note else ''}{at}"
