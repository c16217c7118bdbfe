"""Records of evaluation datasets: the same inputs are the same record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from noria.core.errors import RequestInvalid
from noria.ledger.searching.pages import after_token, page_token, query_mark
from noria.ledger.traces.evaluation_datasets import WHO, digest_of, get, there
from noria.ports.sql import Sql, Tx

AT_ONCE = 10_000
"""Records of one call."""


def upsert(
    tx: Tx, project: str, id: str, records: Sequence[Mapping[str, Any]], *, new_id: Callable[[], str], now_ms: int
) -> tuple[int, int]:
    """Keep records; one with the inputs of another changes that. Returns how many were new, and how many changed.

    Raises:
        NotFound: the project has no such dataset.
        RequestInvalid: there are too many at once, or one is none.
    """
    there(tx, project, id)
    if len(records) > AT_ONCE:
        raise RequestInvalid(f"{len(records)} records at once; {AT_ONCE} are taken", fix="send them in several calls")
    fields = _fields(tx, id)
    new = changed = 0
    who = ""
    for record in records:
        _check(record)
        tags = record.get("tags") or {}
        by = str(tags.get(WHO, ""))
        who = by or who
        inputs = hashlib.sha256(orjson.dumps(record.get("inputs") or {}, option=orjson.OPT_SORT_KEYS)).hexdigest()
        found = tx.run("SELECT row, body FROM noria_evaluation_records WHERE dataset = ? AND inputs = ?", (id, inputs))
        if found:
            row, body = found[0]
            told = orjson.dumps(_merged(orjson.loads(body), record, by)).decode()
            tx.run("UPDATE noria_evaluation_records SET body = ?, updated_ms = ? WHERE row = ?", (told, now_ms, row))
            changed += 1
        else:
            told = orjson.dumps(_made(record, by)).decode()
            insert = """INSERT INTO noria_evaluation_records (id, dataset, inputs, created_ms, updated_ms, body)
                VALUES (?, ?, ?, ?, ?, ?)"""
            tx.run(insert, (new_id(), id, inputs, now_ms, now_ms, told))
            new += 1
        _learn(fields, record)
    (name,) = tx.run("SELECT name FROM noria_evaluation_datasets WHERE id = ?", (id,))[0]
    tx.run(
        """UPDATE noria_evaluation_datasets SET digest = ?, updated_ms = ?, updated_by = CASE ? WHEN '' THEN updated_by ELSE ? END,
        fields = ? WHERE id = ?""",
        (digest_of(name, now_ms), now_ms, who, who, orjson.dumps(fields).decode() if records else "", id),
    )
    return new, changed


def records(sql: Sql, project: str, id: str, *, limit: int, token: str = "") -> tuple[list[dict[str, Any]], str]:
    """One page of records as MLflow's JSON, in the order in which they came, and the token of the next.

    Raises:
        NotFound: the project has no such dataset.
        RequestInvalid: the token is none.
    """
    get(sql, project, id)
    mark = query_mark("records", project, id)
    after = after_token(token, mark, marks=1)
    query = """SELECT row, id, created_ms, updated_ms, body FROM noria_evaluation_records WHERE dataset = ? AND row > ?
        ORDER BY row LIMIT ?"""
    rows = sql.read(query, (id, after[0] if after else -1, limit + 1))
    page = rows[:limit]
    found = [
        {"dataset_record_id": record, "dataset_id": id, "created_time": made, "last_update_time": changed, **orjson.loads(body)}
        for _, record, made, changed, body in page
    ]
    return found, page_token(mark, [page[-1][0]]) if len(rows) > limit else ""


def delete_records(tx: Tx, project: str, id: str, wanted: Sequence[str]) -> int:
    """Delete records by their ids; returns how many were there.

    Raises:
        NotFound: the project has no such dataset.
    """
    there(tx, project, id)
    gone = 0
    for record in wanted:
        gone += len(tx.run("DELETE FROM noria_evaluation_records WHERE dataset = ? AND id = ? RETURNING id", (id, record)))
    return gone


def _check(record: Mapping[str, Any]) -> None:
    if not isinstance(record, Mapping):
        raise RequestInvalid("Each record is an object with 'inputs', and maybe 'outputs', 'expectations', 'tags' and 'source'")
    for name in ("inputs", "expectations", "tags"):
        if record.get(name) is not None and not isinstance(record[name], Mapping):
            raise RequestInvalid(f"Invalid value for parameter 'records' supplied: '{name}' of a record is an object")


def _made(record: Mapping[str, Any], by: str) -> dict[str, Any]:
    body: dict[str, Any] = {"inputs": record.get("inputs") or {}, "tags": record.get("tags") or {}}
    body |= {name: record[name] for name in ("outputs", "expectations", "source") if record.get(name) is not None}
    source = record.get("source")
    if isinstance(source, Mapping):
        data = source.get("source_data") or {}
        kind = str(source.get("source_type") or "UNSPECIFIED")
        body["source_type"] = kind
        id = data.get("trace_id" if kind == "TRACE" else "source_id") if isinstance(data, Mapping) else None
        body |= {"source_id": str(id)} if id else {}
    return body | ({"created_by": by, "last_updated_by": by} if by else {})


def _merged(before: dict[str, Any], record: Mapping[str, Any], by: str) -> dict[str, Any]:
    if "outputs" in record:
        before.pop("outputs", None)
        before |= {"outputs": record["outputs"]} if record["outputs"] is not None else {}
    for name in ("expectations", "tags"):
        if record.get(name):
            before[name] = {**(before.get(name) or {}), **record[name]}
    return before | ({"last_updated_by": by} if by else {})


def _fields(tx: Tx, id: str) -> dict[str, Any]:
    (fields,) = tx.run("SELECT fields FROM noria_evaluation_datasets WHERE id = ?", (id,))[0]
    return orjson.loads(fields) if fields else {"inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0"}


def _learn(fields: dict[str, Any], record: Mapping[str, Any]) -> None:
    for part in ("inputs", "outputs", "expectations"):
        given = record.get(part)
        if isinstance(given, Mapping) and isinstance(fields[part], dict):
            for name, value in given.items():
                fields[part].setdefault(name, _type(value))
        elif given is not None and not fields[part]:
            fields[part] = _type(given)


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "unknown")
