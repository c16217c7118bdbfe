"""Traces in the terminal: list and search, and one as the tree of its spans."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from noria.cli.console import AsJson, answer, console, plainly
from noria.cli.runs import asking
from noria.client import looking
from noria.client.connection import Connection
from noria.core.errors import RequestInvalid, SettingsInvalid

ACTIONS = ("list", "show")
PAGE = 500
_COLOURS = {"OK": "green", "ERROR": "red", "IN_PROGRESS": "cyan"}
_SHOWN = 100


@plainly
def traces(
    action: Annotated[str, typer.Argument(help="list or show.")] = "list",
    which: Annotated[str, typer.Argument(metavar="[TRACE]", help="The trace to show.")] = "",
    experiment: Annotated[list[str] | None, typer.Option("--experiment", "-e", help="Only of these; all when left out.")] = None,
    where: Annotated[str, typer.Option("--filter", "-f", help="As MLflow writes it: status = 'ERROR' AND span.type = 'LLM'.")] = "",
    order: Annotated[str, typer.Option("--order", "-o", help="Such as 'execution_time DESC'; newest first when left out.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50_000, help="At most so many.")] = 20,
    url: Annotated[str, typer.Option("--url", help="The server; else NORIA_URL, or the home around.")] = "",
    as_json: AsJson = False,
) -> None:
    """List and search what programs did, and show one trace as the tree of its spans, each with how long it took.

    [bold]noria traces list -e shop -f "execution_time > 2000 AND feedback.correct = 'false'"[/]

    [bold]noria traces show tr-3f9c…[/]

    Traces come from MLflow's `@mlflow.trace` and from any OpenTelemetry SDK that sends to `/v1/traces`.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"traces cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    if action == "show" and not which:
        raise RequestInvalid("show which trace?", fix="noria traces show TRACE; `noria traces list` has them")
    with asking(url) as connection:
        if action == "list":
            headings = looking.experiments(connection, experiment or ())
            _list(_found(connection, headings, where, order, limit), headings, as_json=as_json)
        else:
            query = urlencode({"trace_id": which, "allow_partial": "true"})
            _show(connection.get(f"/api/3.0/mlflow/traces/get?{query}")["trace"], as_json=as_json)


def _found(connection: Connection, headings: dict[str, str], where: str, order: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    locations = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": id}} for id in headings]
    asked: dict[str, Any] = {
        "locations": locations,
        "filter": where,
        "order_by": [part.strip() for part in order.split(",") if part.strip()],
    }
    while len(found) < limit:
        asked["max_results"] = min(limit - len(found), PAGE)
        page = connection.post("/api/3.0/mlflow/traces/search", json.dumps(asked).encode(), {})
        found += page["traces"]
        if not page.get("next_page_token"):
            break
        asked["page_token"] = page["next_page_token"]
    return found


def _list(found: list[dict[str, Any]], headings: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        answer(found, as_json=True)
        return
    if not found:
        console.print("no traces · `@mlflow.trace`, or any OpenTelemetry SDK that sends to /v1/traces, makes some")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("trace", "name", "experiment", "state", "began", "took", "request"):
        table.add_column(title, no_wrap=title in ("trace", "began", "request"), overflow="ellipsis" if title == "request" else "fold")
    for one in found:
        heading = headings.get(one["trace_location"]["mlflow_experiment"]["experiment_id"], "")
        began = one["request_time"][:19].replace("T", " ")
        name = one["tags"].get("mlflow.traceName", "")
        request = one.get("request_preview", "")[:_SHOWN].replace("\n", " ")
        table.add_row(one["trace_id"], escape(name), escape(heading), _state(one["state"]), began, _took(one), escape(request))
    console.print(table)


def _show(trace: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        answer(trace, as_json=True)
        return
    info, spans = trace["trace_info"], trace["spans"]
    began = info["request_time"][:19].replace("T", " ")
    tree = Tree(
        f"[bold]{escape(info['tags'].get('mlflow.traceName', ''))}[/] {info['trace_id']}  {_state(info['state'])}  {began} · {_took(info)}"
    )
    known = {one["span_id"] for one in spans}
    branches: dict[str, Tree] = {}
    waiting = sorted(spans, key=lambda one: int(one["start_time_unix_nano"]))
    while waiting:
        ready = [one for one in waiting if one.get("parent_span_id") not in known or one["parent_span_id"] in branches]
        for one in ready or waiting:  # spans that are each other's parents hang on the root
            branches[one["span_id"]] = branches.get(one.get("parent_span_id", ""), tree).add(_span(one))
        waiting = [one for one in waiting if one["span_id"] not in branches]
    console.print(tree)
    for said in info.get("assessments", []):
        _, value = next(((kind, said[kind].get("value")) for kind in ("feedback", "expectation") if kind in said), ("", ""))
        source = said["source"].get("source_id", "")
        console.print(f"  {escape(said['assessment_name'])}: {escape(json.dumps(value, ensure_ascii=False))} [dim]{escape(source)}[/]")


def _span(one: dict[str, Any]) -> str:
    said = {pair["key"]: next(iter(pair["value"].values()), "") for pair in one["attributes"]}
    took = (int(one["end_time_unix_nano"]) - int(one["start_time_unix_nano"])) / 1e6
    text = f"{escape(one['name'])}  [bold]{_ms(took)}[/]" if int(one["end_time_unix_nano"]) else f"{escape(one['name'])}  [cyan]runs[/]"
    kind, model = str(said.get("mlflow.spanType", "")), str(said.get("mlflow.llm.model", ""))
    text += "".join(f"  [dim]{escape(word)}[/]" for word in (kind if kind != "UNKNOWN" else "", model) if word)
    if one["status"]["code"] == "STATUS_CODE_ERROR":
        text += f"  [red]{escape(one['status'].get('message', 'failed')[:_SHOWN])}[/]"
    return f"{text}  [dim]{b64decode(one['span_id']).hex()}[/]"


def _state(state: str) -> str:
    return f"[{_COLOURS.get(state, 'dim')}]{state}[/]"


def _took(info: dict[str, Any]) -> str:
    text = info.get("execution_duration")
    return "" if text is None else _ms(float(text.removesuffix("s")) * 1_000)


def _ms(ms: float) -> str:
    """A duration with three digits.

    >>> _ms(0.1234), _ms(12.5), _ms(1234.5)
    ('0.123 ms', '12.5 ms', '1.23 s')
    """
    return f"{ms / 1_000:.3g} s" if ms >= 1_000 else f"{ms:.3g} ms"
