"""Keeps traces: their own account and their spans, whichever comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from noria.core.errors import NotFound
from noria.ledger.traces import rules
from noria.ledger.traces.changing import PUT_TAG, link
from noria.ledger.traces.dialects import added_up
from noria.ledger.traces.preparing import Batch, cut
from noria.ledger.tracking import experiments
from noria.ports.sql import Row, Tx

TOKEN_COLUMNS = ("input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

_INSERT = """INSERT INTO noria_traces (id, experiment, at_ms, took_ms, state, name, client, request, response, told, kept)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING row"""
"""Returns nothing where another connection was first: on a server, spans and account may come in the same moment."""
_PUT_SPAN = """INSERT INTO noria_spans (trace, id, parent, name, type, status, start_ns, end_ns, model, provider, input_cost,
    output_cost, total_cost, usage, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (trace, id) DO UPDATE SET parent = excluded.parent, name = excluded.name, type = excluded.type,
    status = excluded.status, start_ns = excluded.start_ns, end_ns = excluded.end_ns, model = excluded.model,
    provider = excluded.provider, input_cost = excluded.input_cost, output_cost = excluded.output_cost,
    total_cost = excluded.total_cost, usage = excluded.usage, body = excluded.body"""
_PUT_METADATA = "INSERT INTO noria_trace_metadata VALUES (?, ?, ?) ON CONFLICT (trace, key) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A trace's own account of itself, as a client sends it.

    Attributes:
        took_ms: None while it runs.
        client: The id that the caller gave the request; "" = none.
        request: What went in, as lists show it; None = not said.
        kept: Whether its spans come here; older clients keep them in a file.
    """

    id: str
    experiment: int
    at_ms: int
    took_ms: int | None = None
    state: str = "OK"
    client: str = ""
    request: str | None = None
    response: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    kept: bool = True


def account(tx: Tx, project: str, told: Account) -> int:
    """Keep a trace's account, whether or not spans came before it; returns its row.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: the experiment is deleted, or a key is not allowed.
    """
    experiments.active(tx, project, told.experiment)
    tags, metadata = rules.pairs(told.tags, what="tag"), rules.pairs(told.metadata, what="metadata entry")
    name = tags.pop(rules.NAME, None)
    for key in rules.OF_THE_SERVER:
        tags.pop(key, None)
    request = None if told.request is None else cut(told.request)
    response = None if told.response is None else cut(told.response)
    given = (told.experiment, told.at_ms, told.took_ms, told.state, told.client)
    found = _found(tx, project, told.id)
    made = []
    if found is None:
        args = (told.id, *given[:4], name or "", told.client, request, response, 1, int(told.kept))
        made = tx.run(_INSERT, args)
        found = None if made else _found(tx, project, told.id)
    if found is not None:
        tx.run(
            """UPDATE noria_traces SET experiment = ?, at_ms = ?, took_ms = ?, state = ?, client = ?, name = COALESCE(?, name),
            request = COALESCE(?, request), response = COALESCE(?, response), told = 1 WHERE row = ?""",
            (*given, name, request, response, found.row),
        )
    row: int = made[0][0] if found is None else found.row
    tx.many(PUT_TAG, [(row, key, value) for key, value in tags.items()])
    tx.many(_PUT_METADATA, [(row, key, value) for key, value in metadata.items()])
    usage = counted(metadata.get(rules.TOKENS))
    if usage:
        _set_tokens(tx, row, usage)
    return row


def add_spans(tx: Tx, project: str, experiment: int, batches: Sequence[Batch], *, run: str = "") -> None:
    """Keep spans; a trace whose account has not come yet is told from them.

    Args:
        run: A run that whole traces (those whose root span is among these) are linked to; "" = none.

    Raises:
        NotFound: there is no such experiment, or a trace belongs to another project.
        RequestInvalid: the experiment is deleted.
    """
    for batch in batches:
        found = _found(tx, project, batch.trace)
        known = True
        if found is None:
            experiments.active(tx, project, experiment)
            found, known = _begin(tx, project, experiment, batch)
        tx.many(_PUT_SPAN, [(found.row, *row) for row in batch.rows])
        if known and not found.told:
            _widen(tx, found, batch)
        _say(tx, found, batch, known=known)
        if run and batch.root is not None:
            link(tx, found.row, "run", [run])


def counted(text: str | None) -> dict[str, int]:
    """Tokens that a trace's metadata tells of; empty when it tells nothing that can be read."""
    if not text:
        return {}
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(told, dict):
        return {}
    return {name: told[name] for name in TOKEN_COLUMNS if isinstance(told.get(name), int) and 0 <= told[name] < 1 << 53}


@dataclass(frozen=True, slots=True)
class _Found:
    row: int
    told: bool
    at_ms: int
    took_ms: int | None


def _found(tx: Tx, project: str, id: str) -> _Found | None:
    query = """SELECT t.row, t.told, t.at_ms, t.took_ms, e.project FROM noria_traces t
        JOIN noria_experiments e ON e.id = t.experiment WHERE t.id = ?"""
    rows: list[Row] = tx.run(query, (id,))
    if not rows:
        return None
    row, told, at_ms, took_ms, owner = rows[0]
    if owner != project:
        raise NotFound(f"Trace with ID '{id[:200]}' not found.", fix="it belongs to another project")
    return _Found(row, bool(told), at_ms, took_ms)


def _begin(tx: Tx, project: str, experiment: int, batch: Batch) -> tuple[_Found, bool]:
    """A trace whose first word are these spans, and whether it was there after all."""
    took_ms = None if batch.end_ms is None else max(batch.end_ms - batch.start_ms, 0)
    state, name, request, response = batch.root or ("IN_PROGRESS", "", None, None)
    args = (batch.trace, experiment, batch.start_ms, took_ms, state, name, "", request, response, 0, 1)
    made = tx.run(_INSERT, args)
    if made:
        return _Found(made[0][0], False, batch.start_ms, took_ms), False
    found = _found(tx, project, batch.trace)
    assert found is not None
    return found, True


def _widen(tx: Tx, found: _Found, batch: Batch) -> None:
    """A trace that is told from its spans alone: it lasts from the first to the last of them."""
    start = min(found.at_ms, batch.start_ms)
    ends = [end for end in (batch.end_ms, None if found.took_ms is None else found.at_ms + found.took_ms) if end is not None]
    state, name, request, response = batch.root or (None, "", None, None)
    tx.run(
        """UPDATE noria_traces SET at_ms = ?, took_ms = ?, state = COALESCE(?, state), name = CASE name WHEN '' THEN ? ELSE name END,
        request = COALESCE(request, ?), response = COALESCE(response, ?) WHERE row = ?""",
        (start, max(ends) - start if ends else None, state, name, request, response, found.row),
    )


def _say(tx: Tx, found: _Found, batch: Batch, *, known: bool) -> None:
    """What spans say of their trace as a whole, where it has not said so itself."""
    tags = [(found.row, key, value) for key, value in batch.tags.items() if key != rules.NAME and key not in rules.OF_THE_SERVER]
    if tags:
        tx.many(PUT_TAG, tags)
    if rules.NAME in batch.tags:
        tx.run("UPDATE noria_traces SET name = ? WHERE row = ?", (batch.tags[rules.NAME], found.row))
    told: dict[str, Any] = {}
    if batch.session:
        told[rules.SESSION] = batch.session
    if batch.user:
        told[rules.USER] = batch.user
    if any(usage for _, _, usage in batch.usage):
        usage = added_up(_usage_before(tx, found.row) if known else batch.usage)
        told[rules.TOKENS] = orjson.dumps(usage).decode()
    if any(cost for _, _, cost in batch.cost):
        told[rules.COST] = orjson.dumps(added_up(_cost_before(tx, found.row) if known else batch.cost)).decode()
    if not told:
        return
    put = "INSERT INTO noria_trace_metadata VALUES (?, ?, ?) ON CONFLICT DO NOTHING" if found.told else _PUT_METADATA
    before = _counted_before(tx, found.row) if found.told else False
    tx.many(put, [(found.row, key, value) for key, value in told.items()])
    if rules.TOKENS in told and not before:
        _set_tokens(tx, found.row, counted(told[rules.TOKENS]))


def _counted_before(tx: Tx, row: int) -> bool:
    return bool(tx.run("SELECT 1 FROM noria_trace_metadata WHERE trace = ? AND key = ?", (row, rules.TOKENS)))


def _usage_before(tx: Tx, row: int) -> list[tuple[str, str, dict[str, float]]]:
    rows = tx.run("SELECT id, parent, usage FROM noria_spans WHERE trace = ?", (row,))
    return [(id, parent, orjson.loads(usage) if usage else {}) for id, parent, usage in rows]


def _cost_before(tx: Tx, row: int) -> list[tuple[str, str, dict[str, float]]]:
    names = ("input_cost", "output_cost", "total_cost")
    rows = tx.run(f"SELECT id, parent, {', '.join(names)} FROM noria_spans WHERE trace = ?", (row,))
    return [
        (id, parent, {name: value for name, value in zip(names, costs, strict=True) if value is not None}) for id, parent, *costs in rows
    ]


def _set_tokens(tx: Tx, row: int, usage: Mapping[str, int]) -> None:
    columns = ", ".join(f"{name} = ?" for name in TOKEN_COLUMNS)
    tx.run(f"UPDATE noria_traces SET {columns} WHERE row = ?", (*(usage.get(name) for name in TOKEN_COLUMNS), row))
