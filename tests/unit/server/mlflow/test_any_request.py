"""Whatever a client sends to any endpoint, it is never told 5xx: MLflow's clients come again for minutes after one."""

import asyncio
import itertools
import json
import math
import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noria.core.rights import LOCAL
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.table import ENDPOINTS

OTEL = "/v1/traces"
EXAMPLES = 500

NAMES = re.findall(
    r"\w+",
    """name new_name key value alias version stage archive_existing_versions description source run_id run_uuid run_name user_id status
start_time end_time timestamp step experiment_id experiment_ids experiment_name artifact_location tags params metrics filter order_by
max_results page_token run_view_type view_type metric_key metric_keys run_ids start_step end_step path model_id model_ids model_type
source_run_id datasets dataset_name dataset_digest models inputs outputs dataset digest source_type schema profile lifecycle_stage
versions stages model_json part_number num_parts upload_id parts etag trace_id trace_ids request_id request_ids trace trace_info
trace_location mlflow_experiment type request_time execution_duration_ms execution_duration timestamp_ms state request_preview
response_preview trace_metadata request_metadata max_timestamp_millis max_traces locations mlflow_experiment_location assessment
assessment_id assessment_name feedback expectation source rationale metadata error update_mask overrides valid create_time
dataset_id records created_by last_updated_by expectations dataset_record_id dataset_records serialized_scorer scorer_version sample_rate
filter_string filter_string1 filter_string2 base_filter aggregations dimensions percentile_value time_interval_seconds
start_time_ms end_time_ms view_type metric_name entries at_ms kind run allow_partial prompts latest_only ids limit webhook url
deployment_job_id model_prefix registered_model model_version include_deleted resourceSpans resource scopeSpans spans""",
)

HOT = [endpoint for endpoint in ENDPOINTS if endpoint.hot]
FILTERS = [
    "metrics.a > 1", "params.a = 'x'", "tags.`a b` LIKE '%'", "name = 'm'", "name ILIKE '%M%'", "metrics.a > 'x'", "attributes.start_time > 99999999999999999999",
    "run_id IN ('a', 'b')", "dataset.name = 'x'", "tags.a IS NULL", "(", "'", "a = ", "= 1", "name LIKE '\\'", "aliases = 'x'", "span.name = 'x'",
    "feedback.a = 'x'", "trace.timestamp > 1e400", "metadata.x RLIKE '('", "metrics.a = NaN", "creation_time > 1.5", "version_number = 10000000000000000000000",
]  # fmt: skip
ORDERS = [
    "name",
    "start_time DESC",
    "metrics.a ASC",
    "params.`x y`",
    "name name",
    "timestamp_ms",
    "attributes.creation_timestamp",
    "tags.",
    ";",
    "version_number DESC",
]

odd = st.one_of(
    st.sampled_from(["", "x", "0", "1", "-1", "a" * 300, "a" * 6_001, "\0", "..", "../..", "a/b", "/", "NaN", "Infinity", "mlflow.runName", "é\U0001f300"]),
    st.sampled_from(FILTERS + ORDERS),
    st.sampled_from(["RUNNING", "ACTIVE_ONLY", "Production", "champion", "2026-11-25T00:00:00Z", "0.3s", "9" * 400, "9999-99-99T00:00:00Z", "eyJvZmZzZXQiOiAtMX0="]),
    st.sampled_from([0, 1, -1, 25_001, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 10**30, 1.5, 1e308, -0.0]),
    st.none(),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from([float("nan"), float("inf")]),
)  # fmt: skip


@pytest.fixture
def app(tracking):
    """The application itself: without sockets a request takes a millisecond."""

    async def callers(headers, *, method, address):
        return LOCAL

    return MlflowApp(tracking, ENDPOINTS, callers=callers, hosts=None)


async def ask(app, method, path, query="", body=b"", content_type="application/json"):
    """Status and body of the answer."""
    told, coming = [], [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

    async def receive():
        return coming.pop(0) if len(coming) > 1 else coming[0]

    async def send(message):
        told.append(message)

    headers = [(b"host", b"x"), (b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": quote(path, errors="replace").encode(),
        "query_string": query.encode(),
    }
    await app({**scope, "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 1)}, receive, send)
    return told[0]["status"], b"".join(message.get("body", b"") for message in told[1:])


async def filled(app, number):
    """Ids of one of everything, by field."""

    async def made(path, method="POST", **body):
        status, answer = await ask(app, method, path, body=json.dumps(body).encode())
        assert status == 200, answer
        return json.loads(answer)

    base = "/api/2.0/mlflow/"
    experiment = (await made(f"{base}experiments/create", name=f"e{number}"))["experiment_id"]
    run = (await made(f"{base}runs/create", experiment_id=experiment, start_time=1))["run"]["info"]["run_id"]
    for step in range(3):
        await made(f"{base}runs/log-metric", run_id=run, key="a", value=1.5, timestamp=1, step=step)
    await made(f"{base}registered-models/create", name=f"m{number}")
    await made(f"{base}model-versions/create", name=f"m{number}", source=f"runs:/{run}/x", run_id=run)
    await made(f"{base}registered-models/alias", name=f"m{number}", alias="champion", version="1")
    model = (await made(f"{base}logged-models", experiment_id=experiment, name="l"))["model"]["info"]["model_id"]
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    trace = {"trace_id": f"tr-{number:032x}", "trace_location": location, "request_time": "2026-11-25T00:00:00Z", "state": "OK"}
    await made("/api/3.0/mlflow/traces", trace={"trace_info": trace})
    dataset = (await made("/api/3.0/mlflow/datasets/create", name="d", experiment_ids=[experiment]))["dataset"]["dataset_id"]
    return {
        "experiment_id": experiment, "run_id": run, "run_uuid": run, "name": f"m{number}", "version": "1", "alias": "champion", "model_id": model, "run_ids": [run],
        "key": "a", "metric_key": "a", "trace_id": trace["trace_id"], "request_id": trace["trace_id"], "dataset_id": dataset, "experiment_ids": [experiment],
        "path": f"{experiment}/{run}/artifacts", "timestamp": 1, "value": 1.0, "stage": "Production", "trace_ids": [trace["trace_id"]],
    }  # fmt: skip


def requests(known):
    """Requests of any endpoint: known fields with what belongs there, or with anything."""
    likely = st.sampled_from(["ASC", *(f"${name}" for name in known)])
    value = st.recursive(
        st.one_of(odd, likely),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        max_leaves=8,
    )
    parts = {name: value | odd for name, value in shaped().items()}
    some = st.fixed_dictionaries({}, optional=parts)
    right = st.lists(st.sampled_from(sorted(known)), unique=True, max_size=8).map(lambda names: {name: f"${name}" for name in names})
    everything = st.just({name: f"${name}" for name in known})
    wrong = st.dictionaries(st.sampled_from(NAMES), value, max_size=3)
    fields = st.builds(lambda first, second, third: {**first, **second, **third}, everything | right, some, wrong)
    return st.tuples(st.sampled_from(ENDPOINTS) | st.sampled_from(HOT), fields, st.dictionaries(st.sampled_from(NAMES), odd, max_size=2))


def shaped():
    """The arguments that are objects or lists of them, each part with what belongs there or with anything."""

    def thing(**parts):
        return st.fixed_dictionaries({}, optional={name: value | odd for name, value in parts.items()})

    def things(**parts):
        return st.lists(thing(**parts), max_size=3)

    key, number = (
        st.sampled_from(["a", "b", "mlflow.runName"]),
        st.sampled_from([0, 1, 2**63, 2**64 - 1, "7", 1.5, "NaN", "Infinity", "9" * 400]),
    )
    point = {"key": key, "value": number, "timestamp": number, "step": number, "model_id": st.just("$model_id"), "dataset_name": key}
    pairs = things(key=key, value=key)
    dataset = thing(name=key, digest=key, source_type=key, source=key, schema=key, profile=key)
    location = thing(type=st.just("MLFLOW_EXPERIMENT"), mlflow_experiment=thing(experiment_id=st.just("$experiment_id")))
    value = thing(value=odd | st.lists(odd, max_size=2), error=thing(error_code=key, error_message=key, stack_trace=key))
    source = thing(source_type=st.just("HUMAN"), source_id=key)
    assessment = thing(
        assessment_name=key,
        trace_id=st.just("$trace_id"),
        span_id=key,
        source=source,
        feedback=value,
        expectation=value,
        rationale=key,
        metadata=thing(a=key),
    )
    return {
        "metrics": things(**point), "params": pairs, "tags": pairs | thing(a=key), "datasets": things(tags=pairs, dataset=dataset, dataset_name=key, dataset_digest=key),
        "models": things(model_id=st.just("$model_id"), step=number), "entries": things(kind=key, run=st.just("$run_id"), key=key, value=number, at_ms=number),
        "trace": thing(trace_info=thing(trace_id=key, trace_location=location, request_time=key, execution_duration=key, state=key, tags=thing(a=key), trace_metadata=thing(a=key), assessments=st.lists(assessment, max_size=2))),
        "assessment": assessment, "locations": st.lists(location, max_size=2), "order_by": st.lists(st.sampled_from(ORDERS), max_size=2) | things(field_name=key, ascending=st.booleans()),
        "filter": st.sampled_from(FILTERS), "dataset_records": st.lists(thing(inputs=thing(a=number), expectations=thing(a=number), tags=thing(a=key), source=source), max_size=2).map(json.dumps),
        "records": st.just("[]"), "max_results": number, "page_token": st.sampled_from(["x", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAxZTQwMH0=", "W10=", "bnVsbA=="]), "aggregations": things(aggregation_type=key, percentile_value=number),
    }  # fmt: skip


def with_ids(value, known):
    """The value with ids for their names, and what JSON has no word for as its text."""
    if isinstance(value, dict):
        return {name: with_ids(one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [with_ids(one, known) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return known.get(value[1:], value) if isinstance(value, str) and value.startswith("$") else value


def sent(endpoint, fields, known, names):
    """Path, query and body."""
    path = endpoint.path.replace("/api/", "/ajax-api/", 1) if endpoint.ajax else endpoint.path
    for name in re.findall(r"{(\w+)", path):
        path = re.sub("{" + name + "(:path)?}", lambda _: str(names.get(name, known.get(name, "a"))) or "x", path)  # noqa: B023
    if endpoint.method != "GET":
        return path, "", json.dumps(with_ids(fields, known)).encode()
    pairs = [(name, one) for name, value in with_ids(fields, known).items() for one in (value if isinstance(value, list) else [value])]
    return path, urlencode([(name, str(one)) for name, one in pairs], errors="replace"), b""


def test_no_request_is_the_servers_fault(app):
    loop, numbers = asyncio.new_event_loop(), itertools.count()
    known = loop.run_until_complete(filled(app, next(numbers)))

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(requests(known))
    def any_request(asked):
        endpoint, fields, names = asked
        path, query, body = sent(endpoint, fields, known, names)
        status, answer = loop.run_until_complete(ask(app, endpoint.method, path, query, body))
        assert status < 500, (endpoint.method, path, query, body[:2_000], answer)
        if status >= 400 and path != OTEL:
            assert json.loads(answer)["error_code"], answer
        elif endpoint.method == "DELETE" or "delete" in path or "rename" in path:
            known.update(loop.run_until_complete(filled(app, next(numbers))))

    any_request()
    loop.close()
