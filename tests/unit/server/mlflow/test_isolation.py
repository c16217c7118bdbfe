"""Whoever has a role in one project alone reads, finds, changes and guesses nothing of another, at any endpoint."""

import asyncio
import json
import re
from urllib.parse import urlencode

import pytest

from noria.core.rights import Principal, Right, Role
from noria.ledger.models.values import Who
from noria.ledger.models.webhooks import Webhooks
from noria.ledger.projects import Projects
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.table import ENDPOINTS

SECRET, NUMBER = "sesame", 123.456
V2, V3, FILES = "/api/2.0/mlflow/", "/api/3.0/mlflow/", "/api/2.0/mlflow-artifacts/artifacts/"
EVE = Principal(name="eve", roles={"mine": Role.ADMIN})
ADA = Principal(name="ada", roles={"theirs": Role.ADMIN})


@pytest.fixture
def ask(tracking):
    """Asks in a project, as somebody."""

    async def callers(headers, *, method, address):
        return EVE if headers.get("authorization") == "eve" else ADA

    for name in ("mine", "theirs"):
        Projects(tracking.store, tracking.ledger, tracking.wall).add(name, description="sesame" * (name == "theirs"), by="home")
    app, loop = MlflowApp(tracking, ENDPOINTS, callers=callers, hosts=None), asyncio.new_event_loop()

    def asked(who, project, method, path, query="", raw=None, /, **body):
        told, raw = [], json.dumps(body).encode() if raw is None else raw
        coming = [{"type": "http.request", "body": raw}]
        kind = b"application/json" if body else b"application/octet-stream"
        headers = [(b"host", b"x"), (b"authorization", who.encode()), (b"content-type", kind), (b"content-length", str(len(raw)).encode())]
        headers += [(b"x-mlflow-workspace", project.encode())]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}

        async def receive():
            return coming.pop() if coming else await asyncio.Event().wait()  # who waits for the answer stays

        async def send(message):
            told.append(message)

        where = {"scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 1), "headers": headers}
        loop.run_until_complete(app({**scope, **where}, receive, send))
        return told[0]["status"], b"".join(message.get("body", b"") for message in told[1:])

    yield asked
    loop.close()


def told_in(answer):
    """Whether something of the other project is in it."""
    return SECRET.encode() in answer or str(NUMBER).encode() in answer


def made_by_ada(ask, store):
    """One of everything in the project "theirs", with the secret in all that can hold it: ids by field."""

    def made(path, method="POST", /, **body):
        status, answer = ask("ada", "theirs", method, path, **body)
        assert status == 200, (path, answer)
        return json.loads(answer)

    tags = [{"key": "k", "value": SECRET}]
    experiment = made(f"{V2}experiments/create", name="theirs", tags=tags)["experiment_id"]
    run = made(f"{V2}runs/create", experiment_id=experiment, start_time=1, run_name=SECRET, tags=tags)["run"]["info"]["run_id"]
    made(f"{V2}runs/log-metric", run_id=run, key="a", value=NUMBER, timestamp=1, step=0)
    made(f"{V2}runs/log-parameter", run_id=run, key="p", value=SECRET)
    dataset = {"name": "d", "digest": "d1", "source_type": "x", "source": SECRET}
    made(f"{V2}runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": tags}])
    assert ask("ada", "theirs", "PUT", f"{FILES}{experiment}/{run}/artifacts/f.txt", "", SECRET.encode())[0] == 200
    model = made(f"{V2}logged-models", experiment_id=experiment, name="l", source_run_id=run, tags=tags)["model"]["info"]["model_id"]
    assert ask("ada", "theirs", "PUT", f"{FILES}{experiment}/models/{model}/artifacts/f.txt", "", SECRET.encode())[0] == 200
    made(f"{V2}registered-models/create", name="m", description=SECRET, tags=tags)
    made(f"{V2}model-versions/create", name="m", source=f"runs:/{run}/", run_id=run, description=SECRET, tags=tags)
    made(f"{V2}registered-models/alias", name="m", alias="champion", version="1")
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": SECRET}]
    made(f"{V2}registered-models/create", name="prompt", tags=prompt)
    made(f"{V2}model-versions/create", name="prompt", source="dummy-source", tags=prompt)
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    trace = {"trace_id": f"tr-{7:032x}", "trace_location": location, "request_time": "2026-11-25T00:00:00Z", "state": "OK"}
    made(f"{V3}traces", trace={"trace_info": {**trace, "request_preview": SECRET, "tags": {"k": SECRET}}})
    given = {"assessment_name": "good", "source": {"source_type": "HUMAN", "source_id": SECRET}, "feedback": {"value": SECRET}}
    assessment = made(f"{V3}traces/{trace['trace_id']}/assessments", assessment=given)["assessment"]["assessment_id"]
    made_set = made(f"{V3}datasets/create", name=f"d {SECRET}", experiment_ids=[experiment])["dataset"]["dataset_id"]
    made(f"{V3}datasets/{made_set}/records", records=json.dumps([{"inputs": {"q": SECRET}}]))
    scorer = json.dumps({"name": SECRET})
    made(f"{V3}scorers/register", experiment_id=experiment, name="s", serialized_scorer=scorer)
    who, told = Who(by="ada", at_ms=1, project="theirs"), {"description": SECRET, "secret": SECRET, "status": ""}
    hook = Webhooks(store).create(who, SECRET, "https://example.org/x", [("registered_model", "created")], **told)
    return {
        "id": hook.id, "experiment_name": "theirs",
        "experiment_id": experiment, "experiment_ids": [experiment], "run_id": run, "run_uuid": run, "run_ids": [run], "run": run, "model_id": model,
        "trace_id": trace["trace_id"], "request_id": trace["trace_id"], "trace_ids": [trace["trace_id"]], "assessment_id": assessment,
        "dataset_id": made_set, "locations": [location], "trace": trace,
    }  # fmt: skip


def read_by_ada(ask, ids):
    """All that the project "theirs" holds, as its own reads tell it."""
    e, r = ids["experiment_id"], ids["run_id"]
    reads = [
        (f"{V2}experiments/get", f"experiment_id={e}"), (f"{V2}runs/get", f"run_id={r}"), (f"{V2}metrics/get-history", f"run_id={r}&metric_key=a"),
        (f"{V2}logged-models/{ids['model_id']}", ""), (f"{V2}registered-models/get", "name=m"), (f"{V2}model-versions/get", "name=m&version=1"),
        (f"{V2}model-versions/get", "name=prompt&version=1"), (f"{V3}traces/{ids['trace_id']}", ""), (f"{V3}datasets/{ids['dataset_id']}", ""),
        (f"{V3}datasets/{ids['dataset_id']}/records", ""), (f"{V3}scorers/list", f"experiment_id={e}"), (f"{V2}artifacts/list", f"run_id={r}"),
        (f"{FILES}{e}/{r}/artifacts/f.txt", ""), (f"{FILES}{e}/models/{ids['model_id']}/artifacts/f.txt", ""), (f"{V2}experiments/search", "max_results=9"),
        (f"{V3}traces/{ids['trace_id']}/assessments/{ids['assessment_id']}", ""), (f"{V2}webhooks", ""),
    ]  # fmt: skip
    told = {}
    for path, query in reads:
        status, told[path, query] = ask("ada", "theirs", "GET", path, query)
        assert status == 200, (path, told[path, query])
    return told


def bodies(ids):
    """What may be asked of an endpoint, with the ids of the other project wherever one can be given."""
    e, r = ids["experiment_id"], ids["run_id"]
    usual = {
        **ids, "name": "m", "version": "1", "alias": "champion", "key": "k", "value": "v", "metric_key": "a", "new_name": "n", "stage": "Production",
        "path": "f.txt", "artifact_file_path": "f.txt", "timestamp": 1, "step": 0, "status": "FAILED", "tag_key": "k", "source": f"runs:/{r}/x", "max_results": 10,
        "serialized_scorer": '{"a": 1}', "records": '[{"inputs": {"q": 1}}]', "filter_string1": "status = 'OK'", "filter_string2": "status = 'OK'",
        "view_type": "TRACES", "metric_name": "trace_count", "aggregations": [{"aggregation_type": "COUNT"}], "max_timestamp_millis": 2**50,
        "runs": [{"run": r, "entries": [{"kind": "points", "key": "a", "points": [[1, 2, 3]]}, {"kind": "tags", "tags": {"k": "v"}}, {"at": 1, "tags": {"k": "v"}}]}],
        "assessment": {"assessment_name": "bad", "source": {"source_type": "HUMAN", "source_id": "eve"}, "feedback": {"value": 0}},
        "update_mask": "feedback", "state": "OK", "dataset_record_ids": ["x"], "sample_rate": 0.5, "scorer_version": 1, "scorer_ids": ["x"],
    }  # fmt: skip
    yield usual
    yield {**usual, "name": "prompt", "tags": [{"key": "k", "value": "v"}], "params": [{"key": "q", "value": "v"}]}
    yield {
        **usual,
        "name": "s",
        "metrics": [{"key": "a", "value": 2, "timestamp": 2, "step": 1}],
        "models": [{"model_id": ids["model_id"]}],
    }
    yield {**usual, "value": 3.5, "path": f"{e}/{r}/artifacts/f.txt", "trace": {"trace_info": {**ids["trace"], "tags": {"k": "v"}}}}
    yield {"max_results": 10, **{name: usual[name] for name in ("metric_key",)}}


def sent(ask, who, project, endpoint, fields):
    """Status and body of one request; names in the path are those of the fields."""
    path = endpoint.path.replace("/api/", "/ajax-api/", 1) if endpoint.ajax else endpoint.path
    whole = f"{fields.get('experiment_id', 'x')}/{fields.get('run_id', 'x')}/artifacts/f.txt"
    names = {**fields, "path": whole}
    path = re.sub(r"{(\w+)(:path)?}", lambda found: str(names.get(found[1], "a")), path)
    pairs = [(name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])]
    query = urlencode([(name, json.dumps(one) if isinstance(one, dict) else str(one)) for name, one in pairs])
    if endpoint.method in ("GET", "HEAD", "PUT"):
        return ask(who, project, endpoint.method, path, query, b"overwritten" if endpoint.method == "PUT" else b"")
    return ask(who, project, endpoint.method, path, query if endpoint.streams else "", None, **fields)


def test_no_endpoint_lets_a_role_of_one_project_into_another(ask, store):
    ids = made_by_ada(ask, store)
    before = read_by_ada(ask, ids)
    for endpoint in ENDPOINTS:
        for fields in bodies(ids):
            status, answer = sent(ask, "eve", "theirs", endpoint, fields)
            assert status == 403 or endpoint.right is Right.NONE or (endpoint.house and b"theirs" not in answer), (endpoint, answer)
            status, answer = sent(ask, "eve", "mine", endpoint, fields)
            assert status < 500 or endpoint.path == "/v1/traces", (endpoint.path, answer)
            assert not told_in(answer), (endpoint.method, endpoint.path, answer)
        after = read_by_ada(ask, ids)
        assert after == before, (endpoint.method, endpoint.path)


def test_the_walk_would_notice_since_the_owner_is_answered(ask, store):
    ids, answered, secrets = made_by_ada(ask, store), set(), set()
    for endpoint in ENDPOINTS:
        if endpoint.right is Right.VIEW:
            for fields in bodies(ids):
                status, answer = sent(ask, "ada", "theirs", endpoint, fields)
                answered |= {endpoint.path} if status == 200 else set()
                secrets |= {endpoint.path} if told_in(answer) else set()
    views = {endpoint.path for endpoint in ENDPOINTS if endpoint.right is Right.VIEW}
    assert len(views - answered) < 5, views - answered
    assert len(secrets) > 25, views - secrets


def test_what_is_made_to_point_into_another_project_shows_nothing_of_it(ask, store):
    ids = made_by_ada(ask, store)
    e, r, m = ids["experiment_id"], ids["run_id"], ids["model_id"]
    told = []

    def eve(method, path, query="", /, **body):
        status, answer = ask("eve", "mine", method, path, query, **body)
        told.append((method, path, query, status, answer))
        assert status < 500, answer
        return json.loads(answer) if status == 200 and answer[:1] == b"{" else {}

    for place in (
        f"mlflow-artifacts:/{e}",
        f"mlflow-artifacts:/{e}/{r}/artifacts",
        f"mlflow-artifacts://x/{e}",
        f"mlflow-artifacts:/x/../{e}",
    ):
        own = eve("POST", f"{V2}experiments/create", name=place[:40], artifact_location=place).get("experiment_id")
        if own:
            run = eve("POST", f"{V2}runs/create", experiment_id=own)["run"]["info"]["run_id"]
            for path in ("f.txt", f"../../{r}/artifacts/f.txt", f"../../{e}/{r}/artifacts/f.txt"):
                eve("GET", "/get-artifact", urlencode({"run_id": run, "path": path}))
            for path in ("", "..", f"../../{r}/artifacts"):
                eve("GET", f"{V2}artifacts/list", urlencode({"run_id": run, "path": path}))
    eve("POST", f"{V2}registered-models/create", name="own")
    sources = [f"runs:/{r}/", f"mlflow-artifacts:/{e}/{r}/artifacts", f"models:/{m}", "models:/m/1", "models:/m@champion"]
    for source in sources:
        for more in ({}, {"run_id": r}, {"model_id": m}):
            made = eve("POST", f"{V2}model-versions/create", name="own", source=source, **more).get("model_version")
            if made:
                query = f"name=own&version={made['version']}&path=f.txt"
                eve("GET", "/model-versions/get-artifact", query)
                eve("GET", f"{V2}model-versions/get-download-uri", query)
    own = eve("POST", f"{V2}experiments/create", name="own")["experiment_id"]
    run = eve("POST", f"{V2}runs/create", experiment_id=own)["run"]["info"]["run_id"]
    eve("POST", f"{V2}runs/log-inputs", run_id=run, models=[{"model_id": m}])
    eve("POST", f"{V2}runs/outputs", run_id=run, models=[{"model_id": m, "step": 1}])
    eve("POST", f"{V2}runs/log-batch", run_id=run, metrics=[{"key": "a", "value": 1, "timestamp": 1, "step": 0, "model_id": m}])
    linked = eve("POST", f"{V2}logged-models", experiment_id=own, name="l", source_run_id=r).get("model")
    made_set = eve("POST", f"{V3}datasets/create", name="own", experiment_ids=[own, e]).get("dataset") or {}
    if made_set:
        eve("GET", f"{V3}datasets/{made_set['dataset_id']}/records")
    eve("POST", f"{V3}traces/link-to-run", trace_ids=[ids["trace_id"]], run_id=run)
    eve("POST", f"{V3}traces/search", locations=ids["locations"], filter=f"run_id = '{run}'")
    eve("GET", f"{V2}runs/get", f"run_id={run}")
    eve("GET", f"{V2}artifacts/list", f"run_id={run}")
    if linked:
        eve("GET", f"{V2}logged-models/{linked['info']['model_id']}/artifacts/directories")
        eve("GET", f"{V2}logged-models/{linked['info']['model_id']}/artifacts/files", "artifact_file_path=f.txt")
    shown = [one for one in told if told_in(one[4]) or (one[3] == 200 and b"f.txt" in one[4])]
    assert shown == []
