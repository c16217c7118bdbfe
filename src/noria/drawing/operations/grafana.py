"""Dashboards for Grafana: one of how requests are answered, one of how the loops do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = 39
"""Grafana's dashboard schema: what 10.4 and newer read as it is, and migrate from."""

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDE, TALL = 24, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: its queries, each with the text of its legend.

    Attributes:
        kind: "timeseries", "stat" or "table".
        unit: Grafana's name of the unit: "reqps", "percentunit", "s", "short".
        width: Of 24 columns.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 12
    text: str = ""


SERVING = (
    Panel(title="Requests", queries=(('sum by (deployment, version) (rate(noria_predictions_total{deployment=~"$loop"}[$__rate_interval]))', "{{deployment}} v{{version}}"),), unit="reqps"),
    Panel(
        title="Latency",
        queries=tuple((f'histogram_quantile({q}, sum by (le, deployment) (rate(noria_prediction_latency_seconds_bucket{{deployment=~"$loop",role!="shadow"}}[$__rate_interval])))', f"{{{{deployment}}}} p{q * 100:g}") for q in (0.5, 0.99)),
        unit="s",
    ),
    Panel(title="Without an answer", queries=(("sum(rate(noria_rows_failed_total[$__rate_interval])) / sum(rate(noria_rows_requests_total[$__rate_interval]))", "failed"),), unit="percentunit", text="Requests that no version could answer."),
    Panel(title="Failures by version", queries=(('sum by (deployment, version, role) (rate(noria_prediction_failures_total{deployment=~"$loop"}[$__rate_interval]))', "{{deployment}} v{{version}} {{role}}"),), unit="reqps", text="The champion answered in the challenger's place."),
    Panel(title="Where rows went", queries=tuple((f"sum(rate(noria_rows_{name}_total[$__rate_interval]))", name.replace("_", " ")) for name in ("logged", "sampled_out", "dropped", "fallbacks", "invalid")), unit="reqps", text="Logged, sampled out and dropped add up to all requests."),
    Panel(title="Plan and problems", queries=(("max by (instance) (noria_plan_revision)", "plan {{instance}}"), ("max by (instance) (noria_problems)", "problems {{instance}}"))),
)  # fmt: skip

LOOPS = (
    Panel(title="Champion", queries=(('noria_loop_champion_version{loop=~"$loop"}', "{{loop}}"),), kind="stat", width=6),
    Panel(title="Open incidents", queries=(('noria_incidents_open{loop=~"$loop"}', "{{loop}}"),), kind="stat", width=6),
    Panel(title="That call a person", queries=(('noria_pages_open{loop=~"$loop"}', "{{loop}}"),), kind="stat", width=6),
    Panel(title="Challenger's share", queries=(('noria_rollout_share{loop=~"$loop"}', "{{loop}} v{{challenger}}"),), kind="stat", unit="percentunit", width=6),
    Panel(title="Quality", queries=(('noria_monitor_value{loop=~"$loop",monitor=~"quality|estimated-quality"}', "{{loop}} {{subject}} {{monitor}}"), ('noria_monitor_limit{loop=~"$loop",monitor="quality"}', "{{loop}} {{subject}} limit"))),
    Panel(title="Drift beyond the limit", queries=(('topk(12, noria_monitor_value{loop=~"$loop",monitor="drift"} / noria_monitor_limit{loop=~"$loop",monitor="drift"})', "{{loop}} {{subject}}"),), text="1 is the limit that was calibrated on the reference; the twelve largest."),
    Panel(title="Monitors that fire", queries=(('sum by (loop, monitor) (noria_monitor_firing{loop=~"$loop"})', "{{loop}} {{monitor}}"),)),
    Panel(title="Phase", queries=(('max by (loop, phase) (noria_loop_phase{loop=~"$loop"}) == 1', "{{loop}} {{phase}}"),), kind="table"),
    Panel(title="How far monitors are behind", queries=(('scalar(max(noria_event_time_seconds)) - noria_watched_until_seconds{loop=~"$loop"}', "{{loop}}"),), unit="s"),
)  # fmt: skip

DASHBOARDS = {"serving": ("Noria: serving", SERVING), "loops": ("Noria: loops", LOOPS)}
"""File name to title and panels."""


def dashboard(name: str) -> dict[str, Any]:
    """One of `DASHBOARDS` as Grafana imports it."""
    title, panels = DASHBOARDS[name]
    label = "deployment" if name == "serving" else "loop"
    metric = "noria_predictions_total" if name == "serving" else "noria_loop_phase"
    return {
        "uid": f"noria-{name}",
        "title": title,
        "tags": ["noria"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_source(), _choice(label, metric)]},
        "annotations": {"list": []},
        "panels": _placed(panels),
    }


def expressions(name: str) -> list[str]:
    """Every PromQL expression of a dashboard, with Grafana's own variables filled in, so that it can be checked."""
    _, panels = DASHBOARDS[name]
    queries = [expr for panel in panels for expr, _ in panel.queries]
    return [expr.replace("$__rate_interval", "5m").replace("$loop", ".*") for expr in queries]


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1}


def _choice(label: str, metric: str) -> dict[str, Any]:
    query = {"query": f"label_values({metric}, {label})", "refId": "loops"}
    return {
        "name": "loop", "label": "Loop", "type": "query", "datasource": SOURCE, "query": query, "definition": query["query"],
        "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
    }  # fmt: skip


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Panels from left to right, row after row."""
    found, x, y = list[dict[str, Any]](), 0, 0
    for number, panel in enumerate(panels, 1):
        height = TALL // 2 if panel.kind == "stat" else TALL
        if x + panel.width > WIDE:
            x, y = 0, y + found[-1]["gridPos"]["h"]
        found.append(_panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    return found


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0 if panel.unit in ("reqps", "s", "percentunit") else None},
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if panel.kind == "timeseries" else {},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
                "instant": panel.kind != "timeseries",
                "range": panel.kind == "timeseries",
            }
            for place, (expr, legend) in enumerate(panel.queries)
        ],
    }
