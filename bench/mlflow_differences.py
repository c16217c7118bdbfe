"""What MLflow's own server and ours answer to the same requests: `python bench/mlflow_differences.py STOCK_URL OUR_URL`.

Both servers must be empty. Ids that a server makes are kept by name and filled into later requests. Printed are the
requests of which status, error code or the answer's fields differ, then a count; exit status 1 if there is any.
Messages are not compared: only the parts that clients match are, and tests hold those.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import httpx

EXPERIMENTS, RUNS, METRICS = "/api/2.0/mlflow/experiments/", "/api/2.0/mlflow/runs/", "/api/2.0/mlflow/metrics/"
MODELS, VERSIONS, LOGGED = "/api/2.0/mlflow/registered-models/", "/api/2.0/mlflow/model-versions/", "/api/2.0/mlflow/logged-models"

Request = tuple[str, str, Any, dict[str, str]]
"""Method, path, body or query, and the answer's values to keep: name to dotted path."""


def post(path: str, body: Any = None, **kept: str) -> Request:
    """A POST."""
    return "POST", path, {} if body is None else body, kept


def get(path: str, /, **query: Any) -> Request:
    """A GET."""
    return "GET", path, query, {}


def other(method: str, path: str, body: Any) -> Request:
    """A PATCH or DELETE."""
    return method, path, body, {}


POINT = {"run_id": "$run", "key": "k", "value": 1.0, "timestamp": 1, "step": 0}
PARAM, TAG = {"run_id": "$run", "key": "p", "value": "v"}, {"run_id": "$run", "key": "t", "value": "v"}


def of_experiments() -> list[Request]:
    """Made, read, renamed, deleted, searched; well and badly."""
    create, search = f"{EXPERIMENTS}create", f"{EXPERIMENTS}search"
    return [
        post(create, {"name": "e", "tags": [{"key": "a", "value": "b"}]}, experiment="experiment_id"),
        *(post(create, body) for body in ({}, {"name": 123}, {"name": ""}, {"name": None}, {"name": "e"}, {"name": "f", "artifact_location": 9.0})),
        *(post(create, {"name": "g", "tags": tags}) for tags in ("5", [5], [{}], [{"value": "x"}], {"a": "b"})),
        post(create, {"name": "x" * 501}),
        post(create, {"name": "with frag", "artifact_location": "s3://b/p#frag"}),
        post(create, {"name": "with query", "artifact_location": "s3://b/p?a=b"}),
        post(create, {"name": "more", "unknown": [1, {"a": 2}]}),
        *(get(f"{EXPERIMENTS}get", experiment_id=id) for id in ("$experiment", "99", "abc", "", "-1", "1.5", "9" * 30)),
        get(f"{EXPERIMENTS}get"),
        *(get(f"{EXPERIMENTS}get-by-name", experiment_name=name) for name in ("e", "none", "Default", "")),
        post(f"{EXPERIMENTS}update", {"experiment_id": "$experiment", "new_name": "e2"}),
        post(f"{EXPERIMENTS}update", {"experiment_id": "$experiment"}),
        post(f"{EXPERIMENTS}update", {"experiment_id": "$experiment", "new_name": "Default"}),
        post(f"{EXPERIMENTS}update", {"experiment_id": "77", "new_name": "q"}),
        post(f"{EXPERIMENTS}update", {"experiment_id": 1, "new_name": "q1"}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "$experiment", "key": "k", "value": "v"}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "$experiment", "key": "k"}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "$experiment", "key": "k", "value": ""}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "$experiment", "value": "v"}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "$experiment", "key": "x" * 251, "value": "v"}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "$experiment", "key": "k", "value": "v" * 5001}),
        post(f"{EXPERIMENTS}set-experiment-tag", {"experiment_id": "88", "key": "k", "value": "v"}),
        post(f"{EXPERIMENTS}delete-experiment-tag", {"experiment_id": "$experiment", "key": "none"}),
        *(post(search, {"max_results": most}) for most in (1, 0, -1, 50_001, "5", "x", 1.5, None)),
        *(post(search, {"max_results": 5, "filter": filter}) for filter in ("name = 'e2'", "name", "(", "tags.k = 'v'", "creation_time > 1", "x = 1")),
        *(post(search, {"max_results": 5, "order_by": order}) for order in (["name"], ["name DESC"], ["bad"], "name", ["name ASC x"])),
        *(post(search, {"max_results": 5, "view_type": kind}) for kind in ("ALL", "DELETED_ONLY", "x", 1)),
        post(search, {"max_results": 5, "page_token": "x"}),
        get(search, max_results="2"),
        post(f"{EXPERIMENTS}delete", {"experiment_id": "99"}),
        post(f"{EXPERIMENTS}delete", {}),
        post(f"{EXPERIMENTS}restore", {"experiment_id": "$experiment"}),
        get(f"{EXPERIMENTS}none"),
    ]  # fmt: skip


def of_runs() -> list[Request]:
    """Made, read, filled, ended, searched; well and badly."""
    create, metric, batch, search = (f"{RUNS}{name}" for name in ("create", "log-metric", "log-batch", "search"))
    made = {"experiment_id": "$experiment", "start_time": 5, "run_name": "n", "user_id": "u", "tags": [{"key": "a", "value": "b"}]}
    return [
        post(create, made, run="run.info.run_id"),
        *(post(create, body) for body in ({"experiment_id": "99"}, {"experiment_id": "abc"}, {"experiment_id": 1}, {"experiment_id": "$experiment", "start_time": "7"})),
        *(post(create, {**made, **wrong}) for wrong in ({"start_time": "x"}, {"start_time": 1.5}, {"run_name": 5}, {"tags": "x"}, {"tags": [{"value": "a"}]}, {"tags": [None]}, {"user_id": 3})),
        post(create, {**made, "run_name": "one", "tags": [{"key": "mlflow.runName", "value": "two"}]}),
        *(get(f"{RUNS}get", run_id=id) for id in ("$run", "none", "", "x" * 40)),
        get(f"{RUNS}get"),
        get(f"{RUNS}get", run_uuid="$run"),
        post(metric, POINT),
        *(post(metric, {**POINT, **wrong}) for wrong in (
            {"run_id": 31}, {"key": 31}, {"step": "foo"}, {"timestamp": "foo"}, {"run_id": None}, {"key": None}, {"value": None}, {"value": "x"}, {"value": "NaN"},
            {"value": "Infinity"}, {"value": 5}, {"value": "5"}, {"value": True}, {"timestamp": None}, {"timestamp": "5"}, {"timestamp": -1}, {"timestamp": 1.5}, {"step": None},
            {"step": -5}, {"step": "5"}, {"step": 1.5}, {"step": 2**63}, {"key": "a//b"}, {"key": "/a"}, {"key": "."}, {"key": ".."}, {"key": "a/../b"}, {"key": "x" * 251},
            {"key": "é b"}, {"key": "a:b"}, {"key": "a;b"}, {"key": ""}, {"run_id": "none"}, {"model_id": "m-none"}, {"model_id": 5},
        )),
        post(f"{RUNS}log-parameter", PARAM),
        *(post(f"{RUNS}log-parameter", {**PARAM, **wrong}) for wrong in ({}, {"value": "w"}, {"run_id": 31}, {"key": 31}, {"value": 41}, {"value": ""}, {"key": "q", "value": ""}, {"key": "r", "value": "v" * 6001}, {"key": "a//b"}, {"key": "z", "value": None})),
        post(f"{RUNS}set-tag", TAG),
        *(post(f"{RUNS}set-tag", {**TAG, **wrong}) for wrong in ({"value": ""}, {"value": None}, {"value": 5}, {"key": 5}, {"key": None}, {"key": "x" * 251}, {"value": "v" * 8001}, {"run_id": "none"}, {"key": "mlflow.runName", "value": "renamed"}, {"key": "mlflow.runName", "value": " "})),
        post(f"{RUNS}delete-tag", {"run_id": "$run", "key": "none"}),
        post(f"{RUNS}delete-tag", {"run_id": "$run", "key": "t"}),
        post(f"{RUNS}delete-tag", {"run_id": "$run"}),
        post(batch, {"run_id": "$run", "metrics": [{"key": "k", "value": 2.0, "timestamp": 2, "step": 1}], "params": [{"key": "b", "value": "c"}], "tags": [{"key": "t", "value": "u"}]}),
        *(post(batch, {"run_id": "$run", **wrong}) for wrong in (
            {}, {"metrics": "x"}, {"metrics": [5]}, {"metrics": [{}]}, {"metrics": [{"key": "k"}]}, {"metrics": [{"key": "k", "value": 1}]}, {"metrics": [{"key": "k", "value": 1, "timestamp": 1, "step": "a"}]},
            {"metrics": [{"key": "k", "value": 1, "timestamp": 1}]}, {"metrics": [{"value": 1, "timestamp": 1, "step": 0}]}, {"metrics": [{"key": 7, "value": 1, "timestamp": 1, "step": 0}]},
            {"metrics": [{"key": "m", "value": "x", "timestamp": 1, "step": 0}]}, {"metrics": [{"key": "m", "value": 1, "timestamp": "q", "step": 0}]}, {"params": [{"key": "b", "value": "changed"}]},
            {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "2"}]}, {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]}, {"params": [{"key": "n", "value": 1}]}, {"params": "x"},
            {"params": [{"value": "1"}]}, {"tags": [{"key": "a", "value": 1}]}, {"tags": [{"value": "a"}]}, {"tags": {"a": "b"}}, {"tags": [{"key": "same", "value": "1"}, {"key": "same", "value": "2"}]},
            {"tags": [{"key": f"t{n}", "value": "1"} for n in range(101)]}, {"params": [{"key": f"p{n}", "value": "1"} for n in range(101)]}, {"metrics": [{"key": "m", "value": 1.0, "timestamp": 1, "step": n} for n in range(1001)]},
        )),
        post(batch, {"metrics": []}),
        post(batch, {"run_id": "none", "metrics": []}),
        post(f"{RUNS}log-inputs", {"run_id": "$run", "datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "s"}, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]}),
        *(post(f"{RUNS}log-inputs", {"run_id": "$run", "datasets": wrong}) for wrong in (None, "x", [5], [{}], [{"dataset": {}}], [{"dataset": {"name": "d"}}], [{"dataset": {"name": "d", "digest": "1", "source_type": "l", "source": "s"}, "tags": "x"}], [{"dataset": {"name": "x" * 501, "digest": "1", "source_type": "l", "source": "s"}}])),
        *(get(f"{METRICS}get-history", run_id="$run", metric_key=key) for key in ("k", "none")),
        get(f"{METRICS}get-history", run_id="$run"),
        get(f"{METRICS}get-history", metric_key="k"),
        get(f"{METRICS}get-history", run_id="none", metric_key="k"),
        *(get(f"{METRICS}get-history", run_id="$run", metric_key="k", max_results=most) for most in ("1", "0", "x", "25001")),
        get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", run_id="$run", metric_key="k"),
        get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", run_id="$run"),
        get(f"{METRICS}get-history-bulk-interval", run_ids="$run", metric_key="k"),
        get(f"{METRICS}get-history-bulk-interval", run_ids="$run", metric_key="k", start_step="5", end_step="1", max_results="5"),
        get(f"{METRICS}get-history-bulk-interval", run_ids="$run", metric_key="k", start_step="0"),
        get(f"{METRICS}get-history-bulk-interval", run_ids="$run", metric_key="k", max_results="2501"),
        get(f"{METRICS}get-history-bulk-interval", run_ids="$run", metric_key="k", start_step="0", end_step="9", max_results="5"),
        *(post(search, {"experiment_ids": ["$experiment"], "filter": filter}) for filter in (
            "metrics.k > 0", "metrics.k > 'a'", "metrics.k = 1 OR metrics.k = 2", "params.p = 'v'", "params.p = v", "params.p > 'v'", "params.p = 5", "tags.a LIKE 'b%'", "tags.a ILIKE 'B%'", "status = 'RUNNING'",
            "attributes.status IN ('RUNNING')", "run_id IN ('x','y')", "run_name = 'n'", "`run name` = 'n'", "start_time > 1", "start_time > 'x'", "dataset.name = 'd'", "dataset.x = 'd'", "nonsense", "metrics.k >", "metrics.`a b` > 1",
            'metrics."a b" > 1', "params.p IS NULL", "params.p IS NOT NULL", "metrics.k IS NULL", "a.b.c = 'd'", "tags.a = 'b' AND params.p = 'v'", "tags.a = 'b' and", "user_id = 'u'", "attributes.x = 'b'", "(tags.a = 'b')", "", " ",
        )),
        *(post(search, {"experiment_ids": ["$experiment"], "order_by": order}) for order in (["metrics.k DESC"], ["start_time"], ["a.b.c"], ["status", "status"], ["nonsense"], ["metrics.k UP"], "start_time", [5], ["params.`p` ASC"])),
        *(post(search, {"experiment_ids": ["$experiment"], "max_results": most}) for most in (0, -1, 1, 50_001, "2", "x")),
        *(post(search, {"experiment_ids": ids}) for ids in ([], ["99"], "0", [0], ["abc"], None)),
        *(post(search, {"experiment_ids": ["$experiment"], "run_view_type": kind}) for kind in ("ALL", "x", 5)),
        post(search, {"experiment_ids": ["$experiment"], "page_token": "zz"}),
        post(f"{RUNS}update", {"run_id": "$run", "status": "FINISHED", "end_time": 9}),
        *(post(f"{RUNS}update", {"run_id": "$run", **wrong}) for wrong in ({"status": "x"}, {"status": 5}, {"end_time": "x"}, {"end_time": "12"}, {"run_name": "again"}, {"run_name": 5}, {}, {"status": "RUNNING"})),
        post(f"{RUNS}update", {"status": "FINISHED"}),
        post(f"{RUNS}update", {"run_id": "none", "status": "FINISHED"}),
        post(f"{RUNS}delete", {"run_id": "$run"}),
        post(metric, POINT),
        post(f"{RUNS}set-tag", TAG),
        post(f"{RUNS}log-parameter", {**PARAM, "key": "late"}),
        get(f"{RUNS}get", run_id="$run"),
        post(f"{RUNS}delete", {"run_id": "$run"}),
        post(f"{RUNS}restore", {"run_id": "$run"}),
        post(f"{RUNS}restore", {"run_id": "$run"}),
        post(f"{RUNS}delete", {"run_id": "none"}),
        post(f"{RUNS}delete", {}),
        get("/api/2.0/mlflow/artifacts/list", run_id="$run"),
        get("/api/2.0/mlflow/artifacts/list", run_id="$run", path="../x"),
        get("/api/2.0/mlflow/artifacts/list", run_id="none"),
        get("/api/2.0/mlflow/artifacts/list"),
    ]  # fmt: skip


def of_models() -> list[Request]:
    """Registered, versioned, aliased, staged, searched; and logged models."""
    return [
        post(f"{MODELS}create", {"name": "m", "tags": [{"key": "a", "value": "b"}], "description": "d"}),
        *(post(f"{MODELS}create", body) for body in ({"name": "m"}, {}, {"name": ""}, {"name": 5}, {"name": "a/b"}, {"name": "a:b"}, {"name": "x" * 257}, {"name": "n", "tags": "x"}, {"name": "n", "tags": [{"value": "x"}]}, {"name": "n2", "description": 5})),
        *(get(f"{MODELS}get", name=name) for name in ("m", "none", "")),
        get(f"{MODELS}get"),
        other("PATCH", f"{MODELS}update", {"name": "m", "description": "new"}),
        other("PATCH", f"{MODELS}update", {"name": "none", "description": "new"}),
        other("PATCH", f"{MODELS}update", {"name": "m"}),
        post(f"{MODELS}rename", {"name": "m", "new_name": "m2"}),
        post(f"{MODELS}rename", {"name": "m2", "new_name": "m"}),
        post(f"{MODELS}rename", {"name": "m", "new_name": ""}),
        post(f"{MODELS}rename", {"name": "m"}),
        post(f"{MODELS}rename", {"name": "none", "new_name": "z"}),
        post(f"{MODELS}set-tag", {"name": "m", "key": "k", "value": "v"}),
        *(post(f"{MODELS}set-tag", {"name": "m", **wrong}) for wrong in ({"key": "k"}, {"value": "v"}, {"key": "x" * 251, "value": "v"}, {"key": "k", "value": 5}, {"key": "k", "value": "v" * 100_001})),
        other("DELETE", f"{MODELS}delete-tag", {"name": "m", "key": "none"}),
        other("DELETE", f"{MODELS}delete-tag", {"name": "none", "key": "none"}),
        *(get(f"{MODELS}search", filter=filter) for filter in ("name = 'm'", "name LIKE '%m%'", "tags.k = 'v'", "x = 'y'", "name = m", "name > 'm'", "name = 'm' OR name = 'n'", "name IN ('m')", "")),
        *(get(f"{MODELS}search", max_results=most) for most in ("1", "0", "x", "1001", "-1")),
        *(get(f"{MODELS}search", order_by=order) for order in ("name", "name DESC", "x", "last_updated_timestamp", "timestamp ASC")),
        get(f"{MODELS}search", page_token="x"),
        post(f"{VERSIONS}create", {"name": "m", "source": "runs:/$run/model", "run_id": "$run", "tags": [{"key": "a", "value": "b"}]}),
        post(f"{VERSIONS}create", {"name": "m", "source": "mlflow-artifacts:/$experiment/$run/artifacts/model", "run_id": "$run"}),
        post(f"{VERSIONS}create", {"name": "m", "source": "s3://bucket/model"}),
        *(post(f"{VERSIONS}create", {"name": "m", **wrong}) for wrong in ({}, {"source": ""}, {"source": 5}, {"source": "/etc/passwd"}, {"source": "file:///etc"}, {"source": "mlflow-artifacts:/../x"}, {"source": "s3://b/../../x"}, {"source": "./x"}, {"source": "s3://b", "run_id": 5}, {"source": "models:/none/1"}, {"source": "s3://b", "tags": "x"}, {"source": "s3://b/ok", "run_id": "none"})),
        post(f"{VERSIONS}create", {"name": "none", "source": "s3://b/x"}),
        *(get(f"{VERSIONS}get", name="m", version=version) for version in ("1", "99", "x", "", "0", "-1", "1.5", "9" * 30)),
        get(f"{VERSIONS}get", name="none", version="1"),
        get(f"{VERSIONS}get", name="m"),
        other("PATCH", f"{VERSIONS}update", {"name": "m", "version": "1", "description": "x"}),
        other("PATCH", f"{VERSIONS}update", {"name": "m", "version": 1, "description": "x"}),
        other("PATCH", f"{VERSIONS}update", {"name": "m", "version": "99", "description": "x"}),
        get(f"{VERSIONS}get-download-uri", name="m", version="1"),
        get(f"{VERSIONS}get-download-uri", name="m", version="99"),
        *(get(f"{VERSIONS}search", filter=filter) for filter in ("name = 'm'", "name='m' and version_number > 0", "version_number = '1'", "run_id = '$run'", "run_id IN ('$run')", "source_path = 'x'", "tags.a = 'b'", "x = 'y'", "name", "name LIKE 'm%'", "run_id LIKE 'a'", "")),
        *(get(f"{VERSIONS}search", max_results=most) for most in ("1", "0", "200001", "x")),
        *(get(f"{VERSIONS}search", order_by=order) for order in ("version_number DESC", "x", "creation_timestamp")),
        post(f"{VERSIONS}set-tag", {"name": "m", "version": "1", "key": "k", "value": "v"}),
        post(f"{VERSIONS}set-tag", {"name": "m", "version": "99", "key": "k", "value": "v"}),
        post(f"{VERSIONS}set-tag", {"name": "m", "version": "1", "value": "v"}),
        other("DELETE", f"{VERSIONS}delete-tag", {"name": "m", "version": "1", "key": "none"}),
        post(f"{VERSIONS}transition-stage", {"name": "m", "version": "1", "stage": "Production"}),
        post(f"{VERSIONS}transition-stage", {"name": "m", "version": "2", "stage": "production", "archive_existing_versions": True}),
        *(post(f"{VERSIONS}transition-stage", {"name": "m", "version": "1", **wrong}) for wrong in ({"stage": "x"}, {}, {"stage": "None", "archive_existing_versions": True}, {"stage": "None"}, {"stage": "Staging", "archive_existing_versions": "true"})),
        post(f"{VERSIONS}transition-stage", {"name": "m", "version": "99", "stage": "Staging"}),
        post(f"{MODELS}get-latest-versions", {"name": "m"}),
        post(f"{MODELS}get-latest-versions", {"name": "m", "stages": ["Production"]}),
        post(f"{MODELS}get-latest-versions", {"name": "m", "stages": ["x"]}),
        get(f"{MODELS}get-latest-versions", name="m", stages="Production"),
        post(f"{MODELS}get-latest-versions", {"name": "none"}),
        post(f"{MODELS}alias", {"name": "m", "alias": "champion", "version": "1"}),
        *(post(f"{MODELS}alias", {"name": "m", **wrong}) for wrong in ({"alias": "latest", "version": "1"}, {"alias": "v1", "version": "1"}, {"alias": "a b", "version": "1"}, {"alias": "x", "version": "99"}, {"alias": "x" * 257, "version": "1"}, {"alias": "", "version": "1"}, {"alias": "x"}, {"version": "1"}, {"alias": "Production", "version": "1"})),
        *(get(f"{MODELS}alias", name="m", alias=alias) for alias in ("champion", "none", "")),
        get(f"{MODELS}alias", name="none", alias="champion"),
        other("DELETE", f"{MODELS}alias", {"name": "m", "alias": "none"}),
        other("DELETE", f"{MODELS}alias", {"name": "m", "alias": "champion"}),
        post(LOGGED, {"experiment_id": "$experiment", "name": "lm", "params": [{"key": "a", "value": "b"}], "tags": [{"key": "a", "value": "b"}], "source_run_id": "$run"}, model="model.info.model_id"),
        *(post(LOGGED, {"experiment_id": "$experiment", **wrong}) for wrong in ({}, {"name": ""}, {"name": "a/b"}, {"name": "a:b"}, {"name": "a.b"}, {"name": "a%b"}, {"name": 5}, {"name": "ok", "params": "x"}, {"name": "ok2", "source_run_id": "none"}, {"name": "ok3", "params": [{"key": "k", "value": "v" * 6001}]})),
        post(LOGGED, {"experiment_id": "99", "name": "lm"}),
        post(LOGGED, {"name": "lm"}),
        get(f"{LOGGED}/$model"),
        get(f"{LOGGED}/none"),
        other("PATCH", f"{LOGGED}/$model", {"status": "LOGGED_MODEL_READY"}),
        other("PATCH", f"{LOGGED}/$model", {"status": "READY"}),
        other("PATCH", f"{LOGGED}/$model", {}),
        other("PATCH", f"{LOGGED}/none", {"status": "LOGGED_MODEL_READY"}),
        other("PATCH", f"{LOGGED}/$model/tags", {"tags": [{"key": "x", "value": "y"}]}),
        other("PATCH", f"{LOGGED}/none/tags", {"tags": [{"key": "x", "value": "y"}]}),
        other("DELETE", f"{LOGGED}/$model/tags/none", {}),
        other("DELETE", f"{LOGGED}/$model/tags/x", {}),
        post(f"{LOGGED}/$model/params", {"params": [{"key": "new", "value": "1"}]}),
        post(f"{LOGGED}/$model/params", {"params": [{"key": "new", "value": "2"}]}),
        *(post(f"{LOGGED}/search", {"experiment_ids": ["$experiment"], "filter": filter}) for filter in ("name = 'lm'", "params.a = 'b'", "metrics.x > 1", "metrics.x > 'a'", "tags.a = 'b'", "attributes.name LIKE 'l%'", "x", "model_id = 'q'", "bad = 'x'", "status = 'READY'")),
        *(post(f"{LOGGED}/search", {"experiment_ids": ["$experiment"], "order_by": order}) for order in ([{"field_name": "name"}], [{"field_name": "x"}], [{}], ["name"], [{"field_name": "metrics.x", "ascending": False}])),
        *(post(f"{LOGGED}/search", {"experiment_ids": ["$experiment"], "max_results": most}) for most in (0, 1, 51, -1)),
        post(f"{LOGGED}/search", {}),
        post(f"{LOGGED}/search", {"experiment_ids": ["$experiment"], "datasets": [{"dataset_digest": "x"}]}),
        post(f"{RUNS}outputs", {"run_id": "$run", "models": [{"model_id": "$model", "step": 1}]}),
        post(f"{RUNS}outputs", {"run_id": "none", "models": [{"model_id": "$model", "step": 1}]}),
        post(f"{RUNS}outputs", {"run_id": "$run"}),
        other("DELETE", f"{LOGGED}/$model", {}),
        get(f"{LOGGED}/$model"),
        other("DELETE", f"{LOGGED}/none", {}),
        other("DELETE", f"{VERSIONS}delete", {"name": "m", "version": "1"}),
        other("DELETE", f"{VERSIONS}delete", {"name": "m", "version": "1"}),
        other("DELETE", f"{VERSIONS}delete", {"name": "m"}),
        other("DELETE", f"{MODELS}delete", {"name": "m"}),
        other("DELETE", f"{MODELS}delete", {"name": "m"}),
        other("DELETE", f"{MODELS}delete", {}),
    ]  # fmt: skip


def main(stock: str, ours: str) -> int:
    """Send all to both, and print what differs."""
    with httpx.Client(base_url=stock, timeout=60) as first, httpx.Client(base_url=ours, timeout=60) as second:
        asked = [*of_experiments(), *of_runs(), *of_models()]
        left, right = answers(first, asked), answers(second, asked)
    differing = 0
    for (method, path, body, _), (status, said), (our_status, ours_said) in zip(asked, left, right, strict=True):
        difference = compared(status, said, our_status, ours_said)
        if difference:
            differing += 1
            print(f"{method} {path} {shortened(body)}\n    {difference}")
    print(
        f"{len(asked)} requests, {differing} answered otherwise; 5xx: MLflow {sum(s >= 500 for s, _ in left)}, ours {sum(s >= 500 for s, _ in right)}"
    )
    return 1 if differing else 0


def answers(client: httpx.Client, asked: list[Request]) -> list[tuple[int, Any]]:
    """Status and body of each."""
    kept: dict[str, str] = {}
    told = []
    for method, path, body, keeps in asked:
        path, body = filled(path, kept), filled(body, kept)
        answer = client.request(method, path, **({"params": body} if method == "GET" else {"json": body}))
        try:
            said = answer.json()
        except ValueError:
            said = {"text": answer.text[:80]}
        for name, place in keeps.items():
            found = said
            for step in place.split("."):
                found = found[step]
            kept[name] = found
        told.append((answer.status_code, said))
    return told


def compared(status: int, said: Any, our_status: int, ours: Any) -> str:
    """What differs; empty if nothing does."""
    code, our_code = said.get("error_code"), ours.get("error_code")
    if (status, code) != (our_status, our_code):
        messages = f"{shortened(said.get('message', said))} | {shortened(ours.get('message', ours))}"
        return f"MLflow {status} {code or ''} | ours {our_status} {our_code or ''}: {messages}"
    if status != 200:
        quoted = re.search(r"parameter '(\w+)", said.get("message", ""))
        return "" if not quoted or quoted[1] in ours.get("message", "") else f"{said['message'][:110]} | {ours['message'][:110]}"
    lacking = sorted(shape(said) - shape(ours))
    return f"fields that ours lacks: {lacking}; said {shortened(said)} | {shortened(ours)}" if lacking else ""


def shape(said: Any, place: str = "") -> set[str]:
    """The dotted names of an answer's fields."""
    if isinstance(said, dict):
        return {place} | {name for key, value in said.items() for name in shape(value, f"{place}.{key}")}
    if isinstance(said, list):
        return {f"{place}[{len(said)}]"} | {name for one in said for name in shape(one, f"{place}[]")}
    return {place}


def filled(value: Any, kept: dict[str, str]) -> Any:
    """The value with kept ids in place of their names."""
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda match: kept.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {name: filled(one, kept) for name, one in value.items()}
    return [filled(one, kept) for one in value] if isinstance(value, list) else value


def shortened(value: Any) -> str:
    """At most 200 characters of it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
