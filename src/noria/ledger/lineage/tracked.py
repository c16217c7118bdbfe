"""Runs that clients logged, in the web: what they took in, and the versions that were registered from them."""

from __future__ import annotations

import json

from noria.core.lineage import Kind, Node
from noria.core.moments import from_ms
from noria.core.rights import DEFAULT_PROJECT
from noria.ledger.lineage.places import is_place
from noria.ledger.lineage.web import Web
from noria.ports.sql import Sql

NEWEST = 5_000
"""Inputs, and versions, that are woven in: the newest."""

INPUTS = """SELECT r.id, r.name, r.start_ms, d.name, d.digest, d.source, i.context FROM noria_inputs i
    JOIN noria_runs r ON r.row = i.run JOIN noria_datasets d ON d.row = i.dataset JOIN noria_experiments e ON e.id = r.experiment
    WHERE r.deleted_ms IS NULL AND e.project = ? ORDER BY i.run DESC LIMIT ?"""

VERSIONS = """SELECT m.name, v.number, v.run, v.created_ms FROM noria_model_versions v JOIN noria_models m ON m.row = v.model
    WHERE v.run <> '' AND m.project = ? ORDER BY v.updated_ms DESC LIMIT ?"""


def weave(web: Web, sql: Sql) -> None:
    """Put tracked runs with their inputs, and registered versions with their runs, into a web.

    Only those of the default project, which loops and deployments belong to: the web is shown to whoever may view that.
    """
    own = [node for node in web.nodes.values() if node.kind is Kind.TABLE and node.note]
    for run, name, start_ms, dataset, digest, source, context in sql.read(INPUTS, (DEFAULT_PROJECT, NEWEST)):
        below = web.node(Node(kind=Kind.RUN, name=run, note=name, at=from_ms(start_ms)), name)
        above = web.node(Node(kind=Kind.DATA, name=f"{dataset}#{digest}", note=f"{dataset}, as a client logged it"), dataset, digest)
        web.link(above, below, context or "took in")
        place = _place(source)
        for table in own:
            if place and is_place("file" if "://" not in place else place.rpartition("/")[0], place, table.note):
                web.link(table.id, above, "read from")
    for model, number, run, created_ms in sql.read(VERSIONS, (DEFAULT_PROJECT, NEWEST)):
        version = web.node(Node(kind=Kind.VERSION, name=f"{model}@{number}", at=from_ms(created_ms)))
        web.link(web.node(Node(kind=Kind.RUN, name=run)), version, "registered")


def _place(source: str) -> str:
    """The address in a dataset's source, as clients write it; "" where there is none."""
    try:
        told = json.loads(source)
    except ValueError:
        return source
    found = (told.get("uri") or told.get("url") or told.get("path") or "") if isinstance(told, dict) else ""
    return str(found).removeprefix("file://")
