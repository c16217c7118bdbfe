"""MLflow's own client searches runs and experiments here."""

import math

import pytest


@pytest.fixture
def refused():
    from mlflow.exceptions import MlflowException

    return pytest.raises(MlflowException)


def _runs(client, experiment):
    """Three runs; the third is the newest."""
    ids = []
    for n, (loss, kind) in enumerate([(0.5, "gbdt"), (0.1, "linear"), (math.nan, "gbdt")]):
        run = client.create_run(experiment, start_time=1_000 + n, run_name=f"run {n}", tags={"n": str(n)})
        client.log_metric(run.info.run_id, "loss", loss)
        client.log_param(run.info.run_id, "kind", kind)
        ids.append(run.info.run_id)
    return ids


def test_runs_are_searched_filtered_and_ordered(client):
    first, second, third = _runs(client, client.create_experiment("shop"))
    experiment = client.get_experiment_by_name("shop").experiment_id

    def found(filter_string="", **asked):
        return [run.info.run_id for run in client.search_runs([experiment], filter_string, **asked)]

    assert found() == [third, second, first]
    assert found("params.kind = 'gbdt'") == [third, first]
    assert found("metrics.loss < 0.3") == [second]
    assert found("metrics.loss != 0.1") == [third, first]
    assert found("attributes.run_name LIKE 'run%' AND tags.n != '1'") == [third, first]
    assert found(f"run_id IN ('{first}', 'x')") == [first]
    assert found(order_by=["metrics.loss DESC"]) == [first, second, third]
    assert found(order_by=["params.kind", "start_time ASC"]) == [first, third, second]
    client.delete_run(third)
    assert found() == [second, first]
    from mlflow.entities import ViewType

    assert found(run_view_type=ViewType.DELETED_ONLY) == [third]
    assert found(run_view_type=ViewType.ALL) == [third, second, first]


def test_what_is_found_has_all_that_a_run_has(client):
    id = _runs(client, "0")[0]
    (found,) = client.search_runs(["0"], "metrics.loss = 0.5")
    whole = client.get_run(id)
    assert found.to_dictionary() == whole.to_dictionary()
    assert found.data.metrics == {"loss": 0.5} and found.data.params == {"kind": "gbdt"} and found.data.tags["n"] == "0"


def test_pages_follow_each_other_and_end(client, refused):
    ids = _runs(client, "0")
    found, token = [], None
    for _ in range(3):
        page = client.search_runs(["0"], order_by=["metrics.loss"], max_results=1, page_token=token)
        found, token = [*found, *(run.info.run_id for run in page)], page.token
    assert found == [ids[1], ids[0], ids[2]] and not token
    with refused as error:
        client.search_runs(["0"], page_token="not base64")
    assert "Invalid page token" in error.value.message and error.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"filter_string": "metrics.loss > 'a'"}, "Expected numeric value type for metric"),
        ({"filter_string": "loss > 1"}, "Invalid attribute key"),
        ({"order_by": ["start_time", "start_time DESC"]}, "contains duplicate fields"),
        ({"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied"),
        ({"max_results": 50_001}, "Invalid value 50001 for parameter 'max_results' supplied"),
        ({"experiment_ids": ["x"]}, "Invalid experiment ID"),
    ],
)
def test_another_search_is_refused_at_once(client, refused, asked, message):
    with refused as error:
        client.search_runs(**{"experiment_ids": ["0"]} | asked)
    assert message in error.value.message and error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_runs_become_a_frame(client):
    import mlflow

    pytest.importorskip("pandas")
    _runs(client, client.create_experiment("shop"))
    frame = mlflow.search_runs(search_all_experiments=True, order_by=["metrics.loss DESC"])
    assert list(frame["params.kind"]) == ["gbdt", "linear", "gbdt"]
    assert frame["metrics.loss"][0] == 0.5 and math.isnan(frame["metrics.loss"][2])


def test_experiments_are_searched_filtered_and_ordered(client):
    from mlflow.entities import ViewType

    ids = [client.create_experiment(name, tags={"team": team}) for name, team in [("alpha", "x"), ("Beta", "x"), ("gamma", "y")]]
    client.rename_experiment(ids[0], "alphabet")

    def found(filter_string="", **asked):
        return [each.name for each in client.search_experiments(filter_string=filter_string, **asked)]

    assert set(found()) == {"Default", "alphabet", "Beta", "gamma"}
    assert found("name ILIKE 'b%'") == ["Beta"] and found("name LIKE 'b%'") == []
    assert found("tags.team = 'x'", order_by=["name"]) == ["Beta", "alphabet"]
    assert found("tags.team IS NULL") == ["Default"]
    assert found(f"experiment_id IN ('{ids[0]}', '{ids[2]}')", order_by=["experiment_id DESC"]) == ["gamma", "alphabet"]
    assert "alphabet" in found("creation_time > 0", order_by=["last_update_time DESC", "name"])
    client.delete_experiment(ids[2])
    assert found("tags.team = 'y'") == [] and found(view_type=ViewType.DELETED_ONLY) == ["gamma"]
    page = client.search_experiments(order_by=["name"], max_results=2)
    assert [each.name for each in page] == ["Beta", "Default"]
    assert [each.name for each in client.search_experiments(order_by=["name"], max_results=2, page_token=page.token)] == ["alphabet"]


def test_an_experiment_is_searched_by_get_too(url, client):
    import httpx

    client.create_experiment("alpha")
    query = {"filter": "name = 'alpha'", "max_results": "5", "order_by": ["name ASC", "experiment_id"]}
    said = httpx.get(f"{url}/api/2.0/mlflow/experiments/search", params=query).json()
    assert [each["name"] for each in said["experiments"]] == ["alpha"] and "next_page_token" not in said


def test_projects_do_not_find_each_others_runs(url, client):
    import httpx

    _runs(client, "0")
    said = httpx.post(f"{url}/api/2.0/mlflow/runs/search", json={"experiment_ids": ["0"]}, headers={"x-mlflow-workspace": "other"})
    assert said.json() == {"runs": []}
