"""The web of everything on record: what each thing came from and what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from noria.core.data import DatasetVersion
from noria.core.lineage import Ingredients, Kind, Link, Node, Table, UpstreamJob
from noria.core.registry import AliasMove, Deployment, ModelVersion
from noria.core.state import LoopState
from noria.core.training import Run
from noria.core.turning import Event
from noria.ledger.lineage.places import is_place, place_of
from noria.ledger.paging import PAGE, every
from noria.ports import wire
from noria.ports.records import Records

ANSWERING = ("champion", "challenger")
"""Aliases whose versions answer requests."""


class Web:
    """Nodes and links of one moment, built from the records; for one reader.

    Attributes:
        nodes: By id.
        above, below: Id to the links that lead there, and from there.
        names: What else a node may be called, to the ids that it may mean.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.above: dict[str, list[Link]] = defaultdict(list)
        self.below: dict[str, list[Link]] = defaultdict(list)
        self.names: dict[str, set[str]] = defaultdict(set)
        self._linked: set[tuple[str, str]] = set()

    def node(self, node: Node, *names: str) -> str:
        """Put a node in, unless it is there and says as much; returns its id."""
        known = self.nodes.get(node.id)
        if known is None or (node.note and not known.note):
            self.nodes[node.id] = node
        for name in (node.name, *names):
            if name:
                self.names[name].add(node.id)
        return node.id

    def link(self, above: str, below: str, said: str = "") -> None:
        """Say that one thing went into another, once."""
        if (above, below) in self._linked or above == below:
            return
        self._linked.add((above, below))
        link = Link(above=above, below=below, said=said)
        self.below[above].append(link)
        self.above[below].append(link)


def web_of(records: Records) -> Web:
    """Build the web; a few thousand versions take a fraction of a second."""
    web = Web()
    data = {one.digest: one for one in every(records, DatasetVersion)}
    for one in data.values():
        _data(web, one)
    known = {(one.model, one.number): one for one in every(records, Ingredients)}
    runs = {one.turn: one for one in every(records, Run)}
    for version in every(records, ModelVersion):
        ingredients = known.get((version.model, version.number)) or _guessed(version, data)
        _version(web, version, ingredients, runs.get(version.turn), data)
    _unregistered(web, records, list(runs.values()), data)
    _deployments(web, records)
    _upstream(web, every(records, UpstreamJob))
    return web


def _data(web: Web, one: DatasetVersion) -> str:
    dataset = web.node(Node(kind=Kind.DATASET, name=one.name))
    note = f"{one.name}, {one.rows:,} rows"
    traffic = sum(part.rows for part in one.parts if part.origin == "traffic")
    if traffic:
        note += f", {traffic:,} of them from traffic"
    data = web.node(Node(kind=Kind.DATA, name=one.digest, note=note, at=one.created_at), one.digest.removeprefix("sha256:"))
    web.link(dataset, data, "taken")
    return data


def _guessed(version: ModelVersion, data: dict[str, DatasetVersion]) -> Ingredients:
    """Of a version from before they were written down: its datasets and its features' names."""
    return Ingredients(
        model=version.model,
        number=version.number,
        turn=version.turn,
        datasets={data[digest].name: digest for digest in version.datasets if digest in data},
        features={field.name: "" for field in version.candidate.signature.features} if version.datasets else {},
    )


def _version(web: Web, version: ModelVersion, of: Ingredients, run: Run | None, data: dict[str, DatasetVersion]) -> None:
    name = f"{version.model}@{version.number}"
    marks = ", ".join(f"{metric} {mark.value:.4f}" for metric, mark in list(version.scorecard.metrics.items())[:1])
    link = f"/turns/{version.turn}" if version.turn else f"/deployments/{version.model}"
    node = Node(kind=Kind.VERSION, name=name, note=marks or version.origin, at=version.created_at, link=link)
    below = web.node(node, version.candidate.artifact, version.feature_set, version.code)
    if version.origin:
        source = f"{Kind.VERSION}:{version.origin}"
        web.link(source if "@" in version.origin else web.node(Node(kind=Kind.TABLE, name=version.origin)), below, "brought")
    if not version.turn:
        return
    trained = _run(web, run) if run else web.node(Node(kind=Kind.RUN, name=version.turn, link=link), version.turn)
    web.link(trained, below, "registered")
    for dataset, digest in of.datasets.items():
        web.link(f"{Kind.DATA}:{digest}" if digest in data else web.node(Node(kind=Kind.DATASET, name=dataset)), trained, "trained on")
    for dataset, source in of.sources.items():
        namespace, place = place_of(source)
        there = web.node(Node(kind=Kind.TABLE, name=f"{namespace}/{place}", note=source), source, place)
        web.link(there, web.node(Node(kind=Kind.DATASET, name=dataset)), "read from")
    for view, dataset in of.views.items():
        seen = web.node(Node(kind=Kind.VIEW, name=f"{of.model}/{view}", note=f"of {dataset}"), view)
        web.link(web.node(Node(kind=Kind.DATASET, name=dataset)), seen, "computed from")
        web.link(seen, trained, "features")
    for feature, origin in of.features.items():
        _feature(web, of, feature, origin, trained)


def _feature(web: Web, of: Ingredients, feature: str, origin: str, trained: str) -> None:
    given = web.node(Node(kind=Kind.FEATURE, name=f"{of.model}/{feature}", note=origin), feature)
    kind, _, source = origin.partition(" ")
    if kind == "view":
        web.link(f"{Kind.VIEW}:{of.model}/{source}", given, "gives")
    elif kind == "dataset":
        web.link(web.node(Node(kind=Kind.DATASET, name=source)), given, "gives")
    web.link(given, trained, "column")


def _unregistered(web: Web, records: Records, runs: list[Run], data: dict[str, DatasetVersion]) -> None:
    """Runs that led to no version: what they were trained on, the ledger knows."""
    alone = [run for run in runs if f"{Kind.RUN}:{run.id}" not in web.nodes]
    for start in range(0, len(alone), PAGE):
        part = {f"{run.turn}:data": run for run in alone[start : start + PAGE]}
        for run in part.values():
            _run(web, run)
        for line in records.lines(ids=list(part), limit=PAGE):
            for digest in wire.load(line.body, Event).made_from:
                if digest in data:
                    web.link(f"{Kind.DATA}:{digest}", f"{Kind.RUN}:{part[line.id].id}", "trained on")


def _run(web: Web, run: Run) -> str:
    note = str(run.state) if run.state != "complete" else ""
    return web.node(Node(kind=Kind.RUN, name=run.id, note=note, at=run.started_at, link=f"/turns/{run.turn}" if run.turn else ""), run.turn)


def _deployments(web: Web, records: Records) -> None:
    loops = {one.name for one in every(records, LoopState)}
    alone = {one.name for one in every(records, Deployment)}
    for move in sorted(every(records, AliasMove), key=lambda move: move.at):
        if move.alias in ANSWERING and move.after is not None and move.model in loops | alone:
            where = f"/loops/{move.model}/deployment" if move.model in loops else f"/deployments/{move.model}"
            deployment = web.node(Node(kind=Kind.DEPLOYMENT, name=move.model, link=where))
            version = f"{Kind.VERSION}:{move.model}@{move.after}"
            if version in web.nodes:
                web.link(version, deployment, f"{move.alias} since {move.at:%Y-%m-%d}")
                answers = web.node(Node(kind=Kind.PREDICTION, name=f"{move.model}@{move.after}", note="its answers, in the log"))
                web.link(version, answers, "answered")


def _upstream(web: Web, jobs: Iterable[UpstreamJob]) -> None:
    own = [node for node in web.nodes.values() if node.kind is Kind.TABLE and node.note]
    for job in jobs:
        note = " ".join(filter(None, (job.kind, job.state.lower())))
        there = web.node(Node(kind=Kind.JOB, name=job.id, note=note, at=job.seen_at), job.name, job.run)
        for table in job.inputs:
            for place in _tables(web, table, own):
                web.link(place, there, "read by")
        for table in job.outputs:
            for place in _tables(web, table, own):
                web.link(there, place, "wrote")


def _tables(web: Web, table: Table, own: list[Node]) -> list[str]:
    """The places of our own datasets that a table is, or it as a place of its own."""
    names = [(table.namespace, table.name), *table.aliases]
    same = [place for place in own if any(is_place(namespace, name, place.note) for namespace, name in names)]
    node = Node(kind=Kind.TABLE, name=table.id, at=table.seen_at, note=table.version)
    return [web.node(place, table.id, table.name, *(name for _, name in table.aliases)) for place in same or [node]]


def prediction(web: Web, request: str, deployment: str, version: int, role: str) -> str:
    """Put one answer in, below the version that gave it."""
    node = web.node(
        Node(kind=Kind.PREDICTION, name=request, note=f"{role} of {deployment}", link=f"/loops/{deployment}/requests/{request}")
    )
    web.link(f"{Kind.VERSION}:{deployment}@{version}", node, "answered")
    return node


def pinned(web: Web, id: str) -> Node:
    """A node, also one that only links speak of: what it was is gone from the records."""
    kind, _, name = id.partition(":")
    return web.nodes.get(id) or replace(Node(kind=Kind(kind), name=name), note="no longer on record")
