"""Places a lineage for drawing: each thing to the right of all that it came from, as near as may be to what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from noria.core.lineage import Kind, Lineage, Link, Node

WIDE, TALL, GAP, COLUMN, EDGE = 148.0, 44.0, 14.0, 174.0, 4.0
SHOWN = 14
"""Boxes of one column; what is beyond is told as one."""
NAME, NOTE = 19, 23
"""Characters that fit into a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One thing as it is drawn; `href` is "" for what stands for many."""

    node: Node
    title: str
    note: str
    x: float
    y: float
    chosen: bool
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A lineage, placed; `paths` are curves as SVG path data, with what they say."""

    boxes: tuple[Box, ...]
    paths: tuple[tuple[str, str], ...]
    width: float
    height: float


def drawn(found: Lineage) -> Drawn:
    """Place it."""
    columns = _columns(found)
    height = 2 * EDGE + max(len(column) for column in columns) * (TALL + GAP) - GAP
    boxes: dict[str, Box] = {}
    for place, column in enumerate(columns):
        top = (height - len(column) * (TALL + GAP) + GAP) / 2
        for row, node in enumerate(column):
            boxes[node.id] = _box(node, EDGE + place * COLUMN, top + row * (TALL + GAP), chosen=node.id in found.of)
    paths = [
        (_curve(boxes[link.above], boxes[link.below]), f"{boxes[link.above].title} {link.said} {boxes[link.below].title}")
        for link in found.links
        if link.above in boxes and link.below in boxes
    ]
    return Drawn(boxes=tuple(boxes.values()), paths=tuple(paths), width=len(columns) * COLUMN - (COLUMN - WIDE) + 2 * EDGE, height=height)


def _columns(found: Lineage) -> list[list[Node]]:
    ranks = _ranks([node.id for node in found.nodes], found.links)
    by_rank: dict[int, list[Node]] = defaultdict(list)
    for node in found.nodes:
        by_rank[ranks[node.id]].append(node)
    above = defaultdict(list)
    for link in found.links:
        above[link.below].append(link.above)
    columns: list[list[Node]] = []
    at: dict[str, float] = {}
    for rank in sorted(by_rank):
        nodes = sorted(by_rank[rank], key=lambda node: (_height(above[node.id], at), node.kind, _age(node), node.name))
        column = _shown(nodes, found.of)
        at |= {node.id: place - len(column) / 2 for place, node in enumerate(column)}
        columns.append(column)
    return columns


def _shown(nodes: list[Node], of: Sequence[str]) -> list[Node]:
    if len(nodes) <= SHOWN:
        return nodes
    kept = [node for node in nodes if node.id in of][: SHOWN - 1]
    kept += [node for node in nodes if node.id not in of][: SHOWN - 1 - len(kept)]
    return [*(node for node in nodes if node in kept), Node(kind=nodes[-1].kind, name=f"and {len(nodes) - len(kept):,} more")]


def _ranks(ids: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """The length of the longest way to each thing, then moved towards what came of it; ways in a circle are cut."""
    above, below = defaultdict(list), defaultdict(list)
    for link in links:
        above[link.below].append(link.above)
        below[link.above].append(link.below)
    ranks: dict[str, int] = {}
    for id in ids:
        _rank(id, above, ranks, [])
    for id in sorted(ids, key=lambda id: -ranks[id]):
        after = [ranks[one] for one in below[id] if ranks[one] > ranks[id]]
        ranks[id] = max(ranks[id], min(after) - 1) if after else ranks[id]
    return ranks


def _rank(id: str, above: Mapping[str, list[str]], ranks: dict[str, int], under_way: list[str]) -> int:
    if id in ranks:
        return ranks[id]
    if id in under_way:
        return -1
    ranks[id] = 1 + max((_rank(one, above, ranks, [*under_way, id]) for one in above.get(id, ())), default=-1)
    return ranks[id]


def _height(above: Sequence[str], at: Mapping[str, float]) -> float:
    known = [at[id] for id in above if id in at]
    return sum(known) / len(known) if known else 0.0


def _age(node: Node) -> float:
    return -node.at.timestamp() if node.at else 0.0


def _box(node: Node, x: float, y: float, *, chosen: bool) -> Box:
    many = node.name.startswith("and ") and node.name.endswith(" more")
    title = node.name[7:19] if node.kind is Kind.DATA else node.name.rpartition("/")[2] or node.name
    said = node.note or (f"{node.at:%Y-%m-%d %H:%M}" if node.at else "")
    note = f"{node.kind} · {said}" if said and not many else str(node.kind)
    return Box(node=node, title=_fitting(title, NAME), note=_fitting(note, NOTE), x=x, y=y, chosen=chosen, href="" if many else node.id)


def _fitting(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _curve(above: Box, below: Box) -> str:
    x1, y1, x2, y2 = above.x + WIDE, above.y + TALL / 2, below.x, below.y + TALL / 2
    if x2 <= x1:  # against the order: around the side
        x2 = below.x + WIDE
        return f"M{x1:.0f} {y1:.0f}C{x1 + 36:.0f} {y1:.0f} {x2 + 36:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    middle = x1 + (COLUMN - WIDE) / 2 if x2 - x1 < COLUMN else (x1 + x2) / 2
    return f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
