"""What our own client has spooled: batches of entries, packed, for runs whose ids it chose itself."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.tracking import entries
from noria.ports.sql import Tx
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import Endpoint, Tracking

PATH = "/api/v1/tracking/entries"
UNPACKED_BYTES = 64 << 20


def take(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Take in `{"runs": [{"run": ID, "entries": [...]}]}` in one transaction, once however often it is sent.

    Answers `{"taken": N, "refused": [{"index", "message"}]}`; the index counts through all runs.
    """
    parts = _parts(asked)

    def work(tx: Tx) -> list[dict[str, Any]]:
        refused, before = [], 0
        for run, told in parts:
            found = entries.take(tx, asked.project, run, told)
            refused += [{"index": before + place, "message": message} for place, message in sorted(found.items())]
            before += len(told)
        return refused

    return {"taken": sum(len(told) for _, told in parts), "refused": tracking.store.write(work)}


def _parts(asked: Asked) -> list[tuple[str, list[Any]]]:
    values = asked.fields.values
    if asked.headers.get("content-type", "") == "application/gzip":
        values = _unpacked(asked.body)
    runs = values.get("runs")
    if not isinstance(runs, list):
        raise RequestInvalid('the body is {"runs": [{"run": ID, "entries": [...]}]}')
    found = []
    for part in runs:
        if not isinstance(part, dict) or not isinstance(part.get("run"), str) or not isinstance(part.get("entries"), list):
            raise RequestInvalid('each of the runs is {"run": ID, "entries": [...]}')
        found.append((part["run"], part["entries"]))
    return found


def _unpacked(body: bytes) -> dict[str, Any]:
    """A packed body, never more of it than would be read of a plain one."""
    try:
        reader = zlib.decompressobj(31)
        told = reader.decompress(body, UNPACKED_BYTES)
        if reader.unconsumed_tail:
            raise RequestInvalid(f"the body is more than {UNPACKED_BYTES} bytes unpacked", fix="send fewer entries at once")
        values = orjson.loads(told)
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise RequestInvalid(f"the body is no packed JSON: {error}") from None
    if not isinstance(values, dict):
        raise RequestInvalid("the body is not a JSON object")
    return values


ENDPOINTS = (Endpoint(method="POST", path=PATH, handler=take, right=Right.CONTRIBUTE, founds=True),)
