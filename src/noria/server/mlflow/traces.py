"""Traces of the protocol: kept, read, searched, tagged, linked, deleted. Their spans come through `otlp`."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from noria.core.errors import NotFound, RequestInvalid
from noria.core.rights import Right
from noria.ledger.traces import assessments, changing, reading, rules, searching, writing
from noria.ledger.traces.spans import TRACE_PREFIX
from noria.ledger.traces.writing import Account
from noria.ports.sql import Tx
from noria.server.mlflow import trace_forms as forms
from noria.server.mlflow.asked import Asked, Fields, missing
from noria.server.mlflow.endpoints import V2, V3, Endpoint, Said, Tracking
from noria.server.mlflow.experiments import experiment_id

AT_ONCE = 1_000
"""Traces that are asked for by name in one call."""

_CLIENT = "mlflow-python-client/"
_SPANS_SINCE = (3, 4)
"""The first version of MLflow's client that sends spans to the server; older ones keep them in a file."""


def start(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Keep a trace's account; with assessments, if it has some."""
    fields = asked.fields.one("trace").one("trace_info")
    if not fields.values:
        raise missing("trace")
    now = tracking.now_ms()
    told = _account(fields, kept=_sends_spans(asked.headers.get("user-agent", "")))
    said = [forms.assessment_of(one, told.id, now_ms=now) for one in fields.items("assessments")]

    def work(tx: Tx) -> None:
        row = writing.account(tx, asked.project, told)
        for one in said:
            assessments.put(tx, row, one)

    tracking.store.write(work, durable=False)
    return {"trace": {"trace_info": forms.info(reading.get(tracking.store, asked.project, told.id))}}


def get_info(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One trace, without its spans."""
    return {"trace": {"trace_info": forms.info(_one(tracking, asked))}}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One trace with its spans, if all of them have come; or with those that have."""
    id = asked.fields.text("trace_id", required=True)
    found = reading.get(tracking.store, asked.project, id)
    spans = reading.spans(tracking.store, [found])[found.row]
    if not asked.fields.flag("allow_partial") and not reading.whole(found, spans):
        raise NotFound(f"Trace with ID {id[:200]} is not fully exported yet, please try again later.")
    return {"trace": forms.whole(found, spans)}


def batch(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Several traces with their spans; those that are not there, or not whole yet, are left out."""
    found = _several(tracking, asked)
    spans = reading.spans(tracking.store, found)
    return {"traces": [forms.whole(one, spans[one.row]) for one in found if reading.whole(one, spans[one.row])]}


def batch_infos(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Several traces without their spans."""
    return {"trace_infos": [forms.info(one) for one in _several(tracking, asked)]}


def search(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of traces."""
    if asked.fields.values.get("locations") is None:
        raise missing("locations")
    wanted = [one.one("mlflow_experiment").text("experiment_id") for one in asked.fields.items("locations")]
    found, token = _search(tracking, asked, [text for text in wanted if text])
    return {"traces": [forms.info(one) for one in found], **({"next_page_token": token} if token else {})}


def search_older(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of traces for clients before 3.0."""
    found, token = _search(tracking, asked, asked.fields.texts("experiment_ids"))
    return {"traces": [forms.older_info(one) for one in found], **({"next_page_token": token} if token else {})}


def delete(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Delete traces by their ids, or the oldest of an experiment."""
    fields, experiment = asked.fields, experiment_id(asked)
    until, most = fields.integer("max_timestamp_millis"), fields.integer("max_traces")
    ids = fields.texts("request_ids") or None
    if ids is not None and (until is not None or most is not None):
        raise RequestInvalid("Either `max_timestamp_millis` (and maybe `max_traces`) or `request_ids` must be given, not both.")
    if ids is None and until is None:
        raise RequestInvalid("Either `max_timestamp_millis` or `trace_ids` must be specified.")
    if most is not None and most <= 0:
        raise RequestInvalid(f"`max_traces` must be a positive integer, received {most}.")
    gone = changing.delete(tracking.store, asked.project, experiment, until_ms=until, most=most, ids=ids)
    return {"traces_deleted": gone}


def set_tag(tracking: Tracking, asked: Asked) -> None:
    """Set a tag."""
    key, value = asked.fields.text("key", required=True), asked.fields.text("value")
    tracking.store.write(lambda tx: changing.set_tag(tx, asked.project, _id(asked), key, value), durable=False)


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    key = asked.fields.text("key", required=True)
    tracking.store.write(lambda tx: changing.delete_tag(tx, asked.project, _id(asked), key), durable=False)


def link_to_run(tracking: Tracking, asked: Asked) -> None:
    """Link traces to a run."""
    ids, run = asked.fields.texts("trace_ids"), asked.fields.text("run_id", required=True)
    tracking.store.write(lambda tx: changing.link_to_run(tx, asked.project, ids, run), durable=False)


def link_prompts(tracking: Tracking, asked: Asked) -> None:
    """Link a trace to the versions of prompts that it used."""
    id = asked.fields.text("trace_id", required=True)
    prompts = [f"{one.text('name', required=True)}/{one.text('version', required=True)}" for one in asked.fields.items("prompt_versions")]
    tracking.store.write(lambda tx: changing.link_prompts(tx, asked.project, id, prompts), durable=False)


def start_older(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Begin a trace of a client before 3.0, which keeps the spans in a file."""
    fields = asked.fields
    told = Account(
        id=f"{TRACE_PREFIX}{uuid4().hex}",
        experiment=experiment_id(asked),
        at_ms=forms.moment_of(fields, "timestamp_ms", tracking.now_ms()),
        state="IN_PROGRESS",
        tags=dict(fields.pairs("tags")),
        metadata=dict(fields.pairs("request_metadata")),
        kept=False,
    )
    tracking.store.write(lambda tx: writing.account(tx, asked.project, told), durable=False)
    return {"trace_info": forms.older_info(reading.get(tracking.store, asked.project, told.id))}


def end_older(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """End such a trace."""
    found, fields = _one(tracking, asked), asked.fields
    end = forms.moment_of(fields, "timestamp_ms", tracking.now_ms())
    told = Account(
        id=found.id,
        experiment=found.experiment,
        at_ms=found.at_ms,
        took_ms=max(end - found.at_ms, 0),
        state=rules.state(fields.text("status", "OK").replace("TRACE_STATUS_UNSPECIFIED", rules.STATES[0])),
        client=found.client,
        tags=dict(fields.pairs("tags")),
        metadata=dict(fields.pairs("request_metadata")),
        kept=False,
    )
    tracking.store.write(lambda tx: writing.account(tx, asked.project, told), durable=False)
    return {"trace_info": forms.older_info(reading.get(tracking.store, asked.project, told.id))}


def get_older(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One trace for clients before 3.0."""
    return {"trace_info": forms.older_info(_one(tracking, asked))}


def file_of_spans(tracking: Tracking, asked: Asked) -> Said:
    """The spans of a trace as one file."""
    found = reading.get(tracking.store, asked.project, asked.fields.text("request_id", required=True))
    spans = reading.spans(tracking.store, [found])[found.row]
    attachment = (("content-disposition", 'attachment; filename="traces.json"'),)
    return Said(body=forms.file_of_spans(spans), content_type="application/octet-stream", headers=attachment)


def _id(asked: Asked) -> str:
    return asked.names.get("trace_id") or asked.names["request_id"]


def _one(tracking: Tracking, asked: Asked) -> reading.Trace:
    return reading.get(tracking.store, asked.project, _id(asked))


def _several(tracking: Tracking, asked: Asked) -> list[reading.Trace]:
    ids = asked.fields.texts("trace_ids")
    if not ids:
        raise missing("trace_ids")
    if len(ids) > AT_ONCE:
        raise RequestInvalid(f"Invalid value for parameter 'trace_ids' supplied: {len(ids)} traces; {AT_ONCE} are read at once")
    of = asked.fields.values.get("experiment_ids")
    experiments = None if of is None else forms.experiments_of(asked.fields.texts("experiment_ids"))
    return reading.some(tracking.store, asked.project, ids, experiments=experiments)


def _search(tracking: Tracking, asked: Asked, experiments: list[str]) -> tuple[list[reading.Trace], str]:
    fields = asked.fields
    return searching.search(
        tracking.store,
        asked.project,
        forms.experiments_of(experiments),
        filter=fields.text("filter"),
        order=fields.texts("order_by"),
        limit=fields.count("max_results", 100, most=rules.PAGE_LIMIT),
        token=fields.text("page_token"),
    )


def _account(fields: Fields, *, kept: bool) -> Account:
    where = fields.one("trace_location").one("mlflow_experiment").text("experiment_id", required=True)
    return Account(
        id=rules.trace_id(fields.text("trace_id", required=True)),
        experiment=forms.experiments_of([where])[0],
        at_ms=forms.moment_of(fields, "request_time"),
        took_ms=forms.duration_of(fields, "execution_duration"),
        state=rules.state(fields.text("state")),
        client=rules.clean(fields.text("client_request_id"))[: rules.KEY_LIMIT],
        request=fields.text("request_preview") or None,
        response=fields.text("response_preview") or None,
        tags=forms.texts_of(fields, "tags"),
        metadata=forms.texts_of(fields, "trace_metadata"),
        kept=kept,
    )


def _sends_spans(agent: str) -> bool:
    """Whether a client sends spans here, by its User-Agent; whoever is no client of MLflow does."""
    if not agent.startswith(_CLIENT):
        return True
    numbers = agent.removeprefix(_CLIENT).split(".")[:2]
    return len(numbers) < 2 or not all(one.isdecimal() for one in numbers) or tuple(map(int, numbers)) >= _SPANS_SINCE


_TRACE, _OLDER = f"{V3}traces/{{trace_id}}", f"{V2}traces/{{request_id}}"

ENDPOINTS = (
    Endpoint(method="POST", path=f"{V3}traces", handler=start, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{V3}traces/get", handler=get, right=Right.VIEW),
    Endpoint(method="GET", path=f"{V3}traces/batchGet", handler=batch, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V3}traces/batchGetInfos", handler=batch_infos, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V3}traces/search", handler=search, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V3}traces/delete-traces", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V3}traces/link-to-run", handler=link_to_run, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V3}traces/link-prompts", handler=link_prompts, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=_TRACE, handler=get_info, right=Right.VIEW),
    Endpoint(method="PATCH", path=f"{_TRACE}/tags", handler=set_tag, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_TRACE}/tags", handler=delete_tag, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}traces", handler=start_older, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{V2}traces", handler=search_older, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V2}traces/delete-traces", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}traces/link-to-run", handler=link_to_run, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}traces/link-prompts", handler=link_prompts, right=Right.CONTRIBUTE),
    Endpoint(method="PATCH", path=_OLDER, handler=end_older, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_OLDER}/info", handler=get_older, right=Right.VIEW),
    Endpoint(method="PATCH", path=f"{_OLDER}/tags", handler=set_tag, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_OLDER}/tags", handler=delete_tag, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{V2}get-trace-artifact", handler=file_of_spans, right=Right.VIEW, ajax=True),
    Endpoint(method="GET", path=f"{V3}get-trace-artifact", handler=file_of_spans, right=Right.VIEW, ajax=True),
)
