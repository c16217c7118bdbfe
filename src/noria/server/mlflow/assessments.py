"""What people, judges and programs say of traces, by the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noria.core.rights import Right
from noria.ledger.traces import assessments
from noria.server.mlflow import trace_forms as forms
from noria.server.mlflow.asked import Asked, missing
from noria.server.mlflow.endpoints import V3, Endpoint, Tracking


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Say something of a trace, maybe in place of what was said before."""
    fields = asked.fields.one("assessment")
    if not fields.values:
        raise missing("assessment")
    made = forms.assessment_of(fields, asked.names["trace_id"], now_ms=tracking.now_ms())
    tracking.store.write(lambda tx: assessments.create(tx, asked.project, made), durable=False)
    return {"assessment": forms.assessment(made)}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One by id."""
    found = assessments.get(tracking.store, asked.project, asked.names["trace_id"], asked.names["assessment_id"])
    return {"assessment": forms.assessment(found)}


def update(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Change what the mask names."""
    if not asked.fields.values.get("assessment"):
        raise missing("assessment")
    mask = asked.fields.values.get("update_mask")
    if not mask:
        raise missing("update_mask")
    named = (
        mask.split(",") if isinstance(mask, str) else (asked.fields.one("update_mask").texts("paths") if isinstance(mask, Mapping) else [])
    )
    change = forms.change_of(asked.fields.one("assessment"), named)
    trace, id, now = asked.names["trace_id"], asked.names["assessment_id"], tracking.now_ms()
    after = tracking.store.write(lambda tx: assessments.update(tx, asked.project, trace, id, change, now_ms=now), durable=False)
    return {"assessment": forms.assessment(after)}


def delete(tracking: Tracking, asked: Asked) -> None:
    """Take it back; what it took the place of holds again."""
    trace, id = asked.names["trace_id"], asked.names["assessment_id"]
    tracking.store.write(lambda tx: assessments.delete(tx, asked.project, trace, id), durable=False)


_ALL = f"{V3}traces/{{trace_id}}/assessments"
_ONE = f"{_ALL}/{{assessment_id}}"

ENDPOINTS = (
    Endpoint(method="POST", path=_ALL, handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=_ONE, handler=get, right=Right.VIEW),
    Endpoint(method="PATCH", path=_ONE, handler=update, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=_ONE, handler=delete, right=Right.CONTRIBUTE),
)
