"""Runs as the server shows them, whoever told it of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from noria.client.connection import Connection, Refused

PAGE = 1_000
WHOLE_ID = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One run.

    Attributes:
        metrics: The latest value of each.
        end_ms: 0 while it goes on.
    """

    id: str
    name: str
    experiment: str
    status: str
    start_ms: int
    end_ms: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


def experiments(connection: Connection, names: Sequence[str] = ()) -> dict[str, str]:
    """Ids of active experiments to their names: the named ones, or all.

    Raises:
        Unreached, Refused: see `Connection`.
    """
    if names:
        found = [connection.get("/api/2.0/mlflow/experiments/get-by-name?" + urlencode({"experiment_name": name})) for name in names]
        return {str(one["experiment"]["experiment_id"]): str(one["experiment"]["name"]) for one in found}
    asked: dict[str, Any] = {"max_results": PAGE}
    return {str(one["experiment_id"]): str(one["name"]) for one in _pages(connection, "experiments", asked)}


def search(connection: Connection, headings: dict[str, str], *, where: str = "", order: str = "", limit: int = 20) -> list[Seen]:
    """Runs of experiments, newest first or in the order that is asked for.

    Args:
        headings: Ids of experiments to their names.
        where, order: In MLflow's language, such as `metrics.loss < 0.3 AND params.model = 'tree'`.

    Raises:
        Unreached, Refused: see `Connection`.
    """
    asked: dict[str, Any] = {"experiment_ids": list(headings), "max_results": min(limit, PAGE)}
    if where:
        asked["filter"] = where
    if order:
        asked["order_by"] = [part.strip() for part in order.split(",")]
    found: list[Seen] = []
    for one in _pages(connection, "runs", asked):
        found.append(_seen(one, headings))
        if len(found) == limit:
            break
    return found


def get(connection: Connection, id: str) -> Seen:
    """One run, by its id or by how that begins.

    Raises:
        Unreached, Refused: see `Connection`; several runs begin so.
    """
    id = id if len(id) >= WHOLE_ID else _whole(connection, id)
    told = connection.get("/api/2.0/mlflow/runs/get?" + urlencode({"run_id": id}))["run"]
    number = str(told["info"]["experiment_id"])
    heading = connection.get("/api/2.0/mlflow/experiments/get?" + urlencode({"experiment_id": number}))["experiment"]["name"]
    return _seen(told, {number: str(heading)})


def _whole(connection: Connection, begins: str) -> str:
    asked = {"experiment_ids": list(experiments(connection)), "max_results": 2, "filter": f"attributes.run_id LIKE '{_plain(begins)}%'"}
    found = connection.post("/api/2.0/mlflow/runs/search", json.dumps(asked).encode(), {}).get("runs", [])
    if len(found) > 1:
        raise Refused(400, f"several runs begin with {begins!r}: write more of the id")
    return str(found[0]["info"]["run_id"]) if found else begins


def _plain(begins: str) -> str:
    """Of what somebody typed the signs that an id has, none of which means anything to a pattern but the underscore."""
    return "".join(sign for sign in begins if sign.isalnum() or sign in "-_")


def _pages(connection: Connection, what: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        told = connection.post(
            f"/api/2.0/mlflow/{what}/search", json.dumps({**asked, **({"page_token": token} if token else {})}).encode(), {}
        )
        yield from told.get(what, [])
        token = told.get("next_page_token", "")
        if not token:
            return


def _seen(run: dict[str, Any], headings: dict[str, str]) -> Seen:
    info, data = run["info"], run.get("data", {})
    return Seen(
        id=info["run_id"],
        name=info.get("run_name", ""),
        experiment=headings.get(str(info["experiment_id"]), str(info["experiment_id"])),
        status=info["status"],
        start_ms=int(info.get("start_time") or 0),
        end_ms=int(info.get("end_time") or 0),
        params={one["key"]: one["value"] for one in data.get("params", [])},
        metrics={one["key"]: float(one["value"]) for one in data.get("metrics", [])},
        tags={one["key"]: one["value"] for one in data.get("tags", [])},
    )
