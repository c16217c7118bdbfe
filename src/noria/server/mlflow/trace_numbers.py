"""Numbers of many traces by the protocol: metrics over time, and how two filters go together."""

from __future__ import annotations

from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.traces import metrics
from noria.ledger.traces.correlating import correlation
from noria.server.mlflow import trace_forms as forms
from noria.server.mlflow.asked import Asked, Fields, missing
from noria.server.mlflow.endpoints import V3, Endpoint, Tracking

_WAYS = ("COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX")


def measure(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Counts, latencies, tokens, costs and marks, by dimension and by time."""
    fields = asked.fields
    experiments = _experiments(fields)
    ways = [_way(one) for one in fields.items("aggregations")]
    if not ways:
        raise missing("aggregations")
    every = fields.integer("time_interval_seconds")
    if every is not None and not 1 <= every <= 10**9:
        raise RequestInvalid(f"Invalid value {every} for parameter 'time_interval_seconds' supplied: It must be positive")
    said = metrics.Asked(
        view=fields.text("view_type", required=True),
        metric=fields.text("metric_name", required=True),
        ways=ways,
        dimensions=fields.texts("dimensions"),
        filters=fields.texts("filters"),
        every_s=every,
        start_ms=fields.integer("start_time_ms"),
        end_ms=fields.integer("end_time_ms"),
        limit=fields.count("max_results", 1_000, most=10_000),
    )
    points = metrics.measure(tracking.store, asked.project, experiments, said)
    return {"data_points": [{"metric_name": said.metric, "dimensions": dict(one.dimensions), "values": dict(one.values)} for one in points]}


def correlate(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """How two filters go together."""
    fields = asked.fields
    first, second = fields.text("filter_string1", required=True), fields.text("filter_string2", required=True)
    found = correlation(tracking.store, asked.project, _experiments(fields), first, second, fields.text("base_filter"))
    return {
        "npmi": _number(found.npmi),
        "npmi_smoothed": _number(found.smoothed),
        "filter1_count": found.first,
        "filter2_count": found.second,
        "joint_count": found.joint,
        "total_count": found.total,
    }


def _experiments(fields: Fields) -> list[int]:
    texts = fields.texts("experiment_ids")
    if not texts:
        raise missing("experiment_ids")
    return forms.experiments_of(texts)


def _way(fields: Fields) -> tuple[str, float | None]:
    name = fields.text("aggregation_type", required=True)
    if name not in _WAYS:
        raise RequestInvalid(f"Invalid value '{name[:100]}' for parameter 'aggregation_type' supplied: one of {', '.join(_WAYS)}")
    if name != metrics.PERCENTILE:
        return name, None
    percent = fields.number("percentile_value")
    if not 0 <= percent <= 100:
        raise RequestInvalid(f"Percentile value must be between 0 and 100, got {percent}")
    return name, percent


def _number(value: float) -> float | str:
    return value if value == value else "NaN"


ENDPOINTS = (
    Endpoint(method="POST", path=f"{V3}traces/metrics", handler=measure, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V3}traces/calculate-filter-correlation", handler=correlate, right=Right.VIEW),
)
