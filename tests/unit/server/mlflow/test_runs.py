"""MLflow's own client begins, fills, reads and ends runs here."""

import base64
import math

import httpx
import pytest


@pytest.fixture
def run(client):
    return client.create_run("0")


def test_a_run_is_filled_and_read_back(client):
    import mlflow

    experiment = mlflow.set_experiment("shop")
    with mlflow.start_run(run_name="first", tags={"team": "ada"}) as active:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"rate": 0.1, "kind": "gbdt"})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metric("loss", 0.25, step=2)
        mlflow.log_metrics({"auc": 0.9, "odd": math.nan, "much": math.inf, "little": -math.inf})
        mlflow.set_tag("note", "ünï")
    run = client.get_run(active.info.run_id)
    assert (run.info.status, run.info.run_name, run.info.experiment_id) == ("FINISHED", "first", experiment.experiment_id)
    assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment.experiment_id}/{run.info.run_id}/artifacts"
    assert run.info.end_time >= run.info.start_time
    assert run.data.params == {"depth": "3", "rate": "0.1", "kind": "gbdt"}
    assert run.data.tags["team"] == "ada" and run.data.tags["note"] == "ünï" and run.data.tags["mlflow.runName"] == "first"
    assert run.data.metrics["loss"] == 0.25 and math.isnan(run.data.metrics["odd"])
    assert run.data.metrics["much"] == 1.7976931348623157e308 == -run.data.metrics["little"]


def test_the_latest_point_is_that_of_the_highest_step_then_time_then_value(client, run):
    id = run.info.run_id
    for value, step, at in [(1.0, 5, 10), (9.0, 4, 99), (2.0, 5, 11), (1.5, 5, 11)]:
        client.log_metric(id, "m", value, step=step, timestamp=at)
    assert client.get_run(id).data.metrics == {"m": 2.0}
    history = client.get_metric_history(id, "m")
    assert sorted((p.step, p.timestamp, p.value) for p in history) == [(4, 99, 9.0), (5, 10, 1.0), (5, 11, 1.5), (5, 11, 2.0)]


def test_a_point_sent_twice_is_one_point(client, run):
    for _ in range(2):
        client.log_metric(run.info.run_id, "m", 1.0, step=1, timestamp=5)
    assert len(client.get_metric_history(run.info.run_id, "m")) == 1


def test_a_history_is_paged(url, client, run):
    from mlflow.entities import Metric

    id = run.info.run_id
    client.log_batch(id, metrics=[Metric("m", float(n), n, n) for n in range(250)])
    query = {"run_id": id, "metric_key": "m", "max_results": 100}
    seen, pages = [], 0
    while True:
        said = httpx.get(f"{url}/api/2.0/mlflow/metrics/get-history", params=query).json()
        seen += [point["value"] for point in said["metrics"]]
        pages += 1
        if "next_page_token" not in said:
            break
        query["page_token"] = said["next_page_token"]
    assert seen == [float(n) for n in range(250)] and pages == 3


@pytest.mark.parametrize("place", ["[Infinity,0,0,0]", "[9223372036854775808,0,0,0]", "[" * 20_000, "{}", "[1,2]", "no"])
def test_a_page_token_that_is_none_of_ours_is_refused(url, run, place):
    token = base64.urlsafe_b64encode(place.encode()).decode()
    query = {"run_id": run.info.run_id, "metric_key": "m", "page_token": token}
    answer = httpx.get(f"{url}/api/2.0/mlflow/metrics/get-history", params=query)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_points_of_many_runs_are_thinned_with_both_ends_kept(url, client):
    from mlflow.entities import Metric

    runs = [client.create_run("0").info.run_id for _ in range(2)]
    for id in runs:
        client.log_batch(id, metrics=[Metric("m", float(n), n, n * 10) for n in range(1000)])
    query = {"run_ids": runs, "metric_key": "m", "max_results": 11}
    said = httpx.get(f"{url}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", params=query).json()["metrics"]
    assert [point["step"] for point in said if point["run_id"] == runs[0]] == [round(n * 99.9) * 10 for n in range(11)]
    query |= {"start_step": 10, "end_step": 30}
    said = httpx.get(f"{url}/api/2.0/mlflow/metrics/get-history-bulk-interval", params=query).json()["metrics"]
    assert [(point["run_id"], point["step"]) for point in said] == [(id, step) for id in runs for step in (10, 20, 30)]


def test_a_parameter_does_not_change(client, run):
    from mlflow.exceptions import MlflowException

    client.log_param(run.info.run_id, "a", "1")
    client.log_param(run.info.run_id, "a", "1")
    with pytest.raises(MlflowException, match="Param with key='a' was already logged"):
        client.log_param(run.info.run_id, "a", "2")


def test_a_batch_is_logged_whole_or_not_at_all(client, run):
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException

    id = run.info.run_id
    client.log_param(id, "a", "1")
    with pytest.raises(MlflowException, match="Changing param values"):
        client.log_batch(id, metrics=[Metric("m", 1.0, 1, 1)], params=[Param("b", "1"), Param("a", "2")], tags=[RunTag("t", "v")])
    read = client.get_run(id).data
    assert read.params == {"a": "1"} and read.metrics == {} and "t" not in read.tags


def test_deleted_runs_take_nothing_and_come_back(client, run):
    from mlflow.exceptions import MlflowException

    id = run.info.run_id
    client.delete_run(id)
    assert client.get_run(id).info.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="must be in the 'active' state") as caught:
        client.log_metric(id, "m", 1.0)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    client.restore_run(id)
    client.log_metric(id, "m", 1.0)


def test_deleting_an_experiment_takes_its_runs_and_restoring_brings_them_back(client):
    from mlflow.exceptions import MlflowException

    id = client.create_experiment("gone", tags={"a": "b"})
    run = client.create_run(id).info.run_id
    client.delete_experiment(id)
    assert client.get_experiment(id).lifecycle_stage == "deleted" == client.get_run(run).info.lifecycle_stage
    with pytest.raises(MlflowException, match="already exists") as caught:
        client.create_experiment("gone")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    client.restore_experiment(id)
    assert client.get_run(run).info.lifecycle_stage == "active" and client.get_experiment(id).tags == {"a": "b"}
    client.rename_experiment(id, "back")
    assert client.get_experiment_by_name("back").experiment_id == id and client.get_experiment_by_name("gone") is None


def test_the_run_s_name_and_its_tag_stay_alike(client, run):
    id = run.info.run_id
    client.set_tag(id, "mlflow.runName", "one")
    assert client.get_run(id).info.run_name == "one"
    client.update_run(id, name="two")
    assert client.get_run(id).data.tags["mlflow.runName"] == "two"
    client.set_tag(id, "extra", "x")
    client.delete_tag(id, "extra")
    assert "extra" not in client.get_run(id).data.tags


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("runs/create", {"experiment_id": "99"}, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99 exists"),
        ("runs/log-metric", {"run_id": "x", "value": 1, "timestamp": 1}, "INVALID_PARAMETER_VALUE", "required parameter 'key'"),
        ("runs/log-metric", {"run_id": "x", "key": "k", "timestamp": 1}, "INVALID_PARAMETER_VALUE", "required parameter 'value'"),
        ("runs/log-metric", {"run_id": "x", "key": "k", "value": "a", "timestamp": 1}, "INVALID_PARAMETER_VALUE", 'Invalid value "a"'),
        ("runs/log-metric", {"run_id": "x", "key": "k", "value": 1, "timestamp": 1}, "RESOURCE_DOES_NOT_EXIST", "Run with id=x not found"),
        ("runs/log-batch", {"run_id": "x", "metrics": {}}, "INVALID_PARAMETER_VALUE", "Invalid value {} for parameter 'metrics'"),
        ("runs/log-batch", {"run_id": "x", "metrics": [{}]}, "INVALID_PARAMETER_VALUE", "'metrics[0].key'"),
        ("runs/nothing", {}, "ENDPOINT_NOT_FOUND", "there is no POST"),
        ("experiments/create", {"name": ""}, "INVALID_PARAMETER_VALUE", "required parameter 'name'"),
        ("experiments/create", {"name": 5.5e300}, "INVALID_PARAMETER_VALUE", "Invalid value 5.5e+300 for parameter 'name'"),
        ("experiments/create", {"name": "e", "artifact_location": "s3://b/a#b"}, "INVALID_PARAMETER_VALUE", "can't include fragments"),
        ("experiments/update", {"experiment_id": "0"}, "INVALID_PARAMETER_VALUE", "required parameter 'new_name'"),
        ("runs/log-metric", {"run_id": "x", "key": "k", "value": 1.0, "timestamp": 2**63}, "INVALID_PARAMETER_VALUE", "'timestamp'"),
        ("runs/log-metric", {"run_id": "x", "key": "k", "value": 1.0, "timestamp": 1, "step": 2**63}, "INVALID_PARAMETER_VALUE", "'step'"),
        ("runs/log-metric", {"run_id": "x", "key": "k", "value": 1.0, "timestamp": -1}, "INVALID_PARAMETER_VALUE", "must be a nonnegative"),
    ],
)
def test_what_is_wrong_is_said_as_clients_expect_it_and_is_never_the_server_s_fault(url, path, body, code, said):
    answer = httpx.post(f"{url}/api/2.0/mlflow/{path}", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error_code"] == code and said in answer.json()["message"]


@pytest.mark.parametrize("key", ["a b", "loss/train:1", "x.y-z_0"])
def test_keys_that_make_a_path_are_taken(client, run, key):
    client.log_metric(run.info.run_id, key, 1.0)
    assert client.get_run(run.info.run_id).data.metrics == {key: 1.0}


@pytest.mark.parametrize("key", ["../up", "/root", "a//b", ".", "a/", "semi;colon", "k" * 251])
def test_keys_that_do_not_are_refused(url, client, run, key):
    body = {"run_id": run.info.run_id, "key": key, "value": 1.0, "timestamp": 1}
    answer = httpx.post(f"{url}/api/2.0/mlflow/runs/log-metric", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_pages_of_other_sites_and_other_hosts_are_refused(url):
    path = f"{url}/api/2.0/mlflow/experiments/create"
    assert httpx.post(path, json={"name": "x"}, headers={"origin": "http://evil.example"}).status_code == 403
    assert httpx.post(path, json={"name": "x"}, headers={"host": "evil.example"}).status_code == 421
    assert httpx.post(path, content='{"name": "x"}', headers={"content-type": "text/plain"}).status_code == 400


def test_projects_do_not_see_each_other(url):
    def ask(project, method, path, **more):
        return httpx.request(method, f"{url}/api/2.0/mlflow/{path}", headers={"x-mlflow-workspace": project}, **more)

    made = ask("blue", "POST", "experiments/create", json={"name": "same"}).json()["experiment_id"]
    assert ask("green", "POST", "experiments/create", json={"name": "same"}).status_code == 200
    run = ask("blue", "POST", "runs/create", json={"experiment_id": made}).json()["run"]["info"]["run_id"]
    assert ask("blue", "GET", "runs/get", params={"run_id": run}).status_code == 200
    assert ask("green", "GET", "runs/get", params={"run_id": run}).status_code == 404
    assert ask("green", "GET", "experiments/get", params={"experiment_id": made}).status_code == 404
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    assert ask("green", "POST", "runs/log-metric", json=point).status_code == 404
