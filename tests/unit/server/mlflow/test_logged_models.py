"""MLflow's own client logs models, measures them on datasets, and says what runs took in and made."""

import pytest


@pytest.fixture
def run(client):
    return client.create_run("0").info.run_id


def _refused(call, *args, **given):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as error:
        call(*args, **given)
    return error.value


def test_a_model_is_made_finished_tagged_and_deleted(client, run):
    from mlflow.entities import LoggedModelStatus

    made = client.create_logged_model("0", name="first", source_run_id=run, tags={"a": "1"}, params={"depth": "3"}, model_type="agent")
    assert (made.name, made.status, made.source_run_id, made.model_type) == ("first", LoggedModelStatus.PENDING, run, "agent")
    assert made.artifact_location == f"mlflow-artifacts:/0/models/{made.model_id}/artifacts"
    assert client.finalize_logged_model(made.model_id, LoggedModelStatus.READY).status == LoggedModelStatus.READY
    client.set_logged_model_tags(made.model_id, {"a": "2", "with/slash b": "3"})
    found = client.get_logged_model(made.model_id)
    assert found.tags == {"a": "2", "with/slash b": "3"} and found.params["depth"] == "3"
    client.delete_logged_model_tag(made.model_id, "a")
    assert client.get_logged_model(made.model_id).tags == {"with/slash b": "3"}
    assert "No tag with key" in _refused(client.delete_logged_model_tag, made.model_id, "a").message
    client.delete_logged_model(made.model_id)
    error = _refused(client.get_logged_model, made.model_id)
    assert "not found" in error.message and error.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert client.search_logged_models(["0"]) == []


def test_a_deleted_model_comes_back(url, client):
    import httpx

    made = client.create_logged_model("0", name="first")
    client.delete_logged_model(made.model_id)
    httpx.post(f"{url}/api/2.0/mlflow/logged-models/{made.model_id}/restore", json={}).raise_for_status()
    assert client.get_logged_model(made.model_id).name == "first"


@pytest.mark.parametrize("name", ["my/model", "my.model", "my:model", "my%model", "my'model"])
def test_a_name_that_is_no_part_of_a_path_is_refused(client, name):
    assert "Invalid model name" in _refused(client.create_logged_model, "0", name=name).message


def test_many_parameters_arrive_in_several_calls(client):
    params = {f"p{n}": str(n) for n in range(250)}
    made = client.create_logged_model("0", params=params)
    assert client.get_logged_model(made.model_id).params == params


def test_a_model_is_measured_on_datasets_by_a_run(client, run):
    import mlflow
    from mlflow.entities import Metric

    made = client.create_logged_model("0", name="m", source_run_id=run)
    client.log_metric(run, "loss", 0.5, step=1, timestamp=10, model_id=made.model_id, dataset_name="d", dataset_digest="x")
    for _ in range(2):
        client.log_batch(run, metrics=[Metric("auc", 0.9, 20, 2, model_id=made.model_id)])
    points = client.get_logged_model(made.model_id).metrics
    assert [(p.key, p.value, p.dataset_name, p.dataset_digest, p.run_id, p.step) for p in points] == [
        ("loss", 0.5, "d", "x", run, 1),
        ("auc", 0.9, None, None, run, 2),
    ]
    assert client.get_run(run).data.metrics == {"loss": 0.5, "auc": 0.9}
    client.log_metric(run, "loss", 0.4, model_id="m-elsewhere")
    assert mlflow.search_logged_models(["0"], output_format="list")[0].model_id == made.model_id


def test_models_are_searched_filtered_and_ordered(client, run):
    one = client.create_logged_model("0", name="one", params={"p": "1"}, tags={"a b": "x"}).model_id
    two = client.create_logged_model("0", name="two", source_run_id=run).model_id
    for model, dataset, value in [(one, "d1", 0.9), (one, "d2", 0.1), (two, "d1", 0.5), (two, "d2", 0.6)]:
        client.log_metric(
            run,
            "auc",
            value,
            timestamp=int(value * 100),
            step=int(value * 10),
            model_id=model,
            dataset_name=dataset,
            dataset_digest=f"#{dataset}",
        )

    def found(filter_string=None, **asked):
        return [each.model_id for each in client.search_logged_models(["0"], filter_string, **asked)]

    newest = sorted([one, two], key=lambda id: (-client.get_logged_model(id).creation_timestamp, id))
    assert found() == newest
    for text in ("name = 'one'", "attributes.name LIKE 'on%'", "name IN ('one',)", "params.p = 1", "tags.`a b` = 'x'", "metrics.auc > 0.8"):
        assert found(text) == [one], text
    assert found(f"source_run_id = '{run}' AND status = 'PENDING'") == [two]
    assert found("metrics.auc > 0.55", datasets=[{"dataset_name": "d2"}]) == [two]
    assert found("metrics.auc > 0.55", datasets=[{"dataset_name": "d2", "dataset_digest": "other"}]) == []
    assert found(datasets=[{"dataset_name": "d3"}]) == [] and set(found(datasets=[{"dataset_name": "d1"}])) == {one, two}
    by = {"field_name": "metrics.auc", "dataset_name": "d1"}
    assert found(order_by=[by]) == [two, one] and found(order_by=[by | {"ascending": False}]) == [one, two]
    assert found(order_by=[{"field_name": "name", "ascending": False}]) == [two, one]
    assert found(order_by=[{"field_name": "metrics.none"}]) == newest
    first = client.search_logged_models(["0"], max_results=1, order_by=[by])
    second = client.search_logged_models(["0"], max_results=1, order_by=[by], page_token=first.token)
    assert [each.model_id for each in (*first, *second)] == [two, one] and second.token is None
    search = client.search_logged_models
    assert "Filter string in the page token does not match" in _refused(search, ["0"], "name = 'one'", page_token=first.token).message
    assert "Experiment IDs in the page token do not match" in _refused(search, ["0", "1"], page_token=first.token, order_by=[by]).message
    assert "Order by in the page token does not match" in _refused(search, ["0"], page_token=first.token).message
    assert "Invalid filter string" in _refused(search, ["0"], "name = 'a' OR name = 'b'").message
    assert "Invalid order by field name" in _refused(search, ["0"], order_by=[{"field_name": "params.p"}]).message


def test_what_a_run_took_in_and_made_is_shown_with_it(client, run):
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput

    model = client.create_logged_model("0").model_id
    taken = DatasetInput(Dataset("flights", "abc", "local", "{}", schema="{}", profile="{}"), [InputTag("mlflow.data.context", "train")])
    for _ in range(2):
        client.log_inputs(run, [taken], [LoggedModelInput(model)])
        client.log_outputs(run, [LoggedModelOutput(model, step=3)])
    for found in (client.get_run(run), client.search_runs(["0"], "datasets.name = 'flights' AND datasets.context = 'train'")[0]):
        assert [each.to_dictionary() for each in found.inputs.dataset_inputs] == [taken.to_dictionary()]
        assert [each.model_id for each in found.inputs.model_inputs] == [model]
        assert [(each.model_id, each.step) for each in found.outputs.model_outputs] == [(model, 3)]
    assert client.search_runs(["0"], "datasets.digest = 'other'") == []
    assert mlflow.get_run(run).inputs.dataset_inputs[0].dataset.name == "flights"
    error = _refused(client.log_inputs, run, [DatasetInput(Dataset("flights", "a" * 40, "local", "{}"))])
    assert error.error_code == "INVALID_PARAMETER_VALUE"


def test_datasets_of_experiments_are_listed_for_the_page(url, client, run):
    import httpx
    from mlflow.entities import Dataset, DatasetInput, InputTag

    client.log_inputs(run, [DatasetInput(Dataset("b", "1", "local", "{}"), [InputTag("mlflow.data.context", "eval")])])
    client.log_inputs(run, [DatasetInput(Dataset("a", "1", "local", "{}"))])
    said = httpx.post(f"{url}/ajax-api/2.0/mlflow/experiments/search-datasets", json={"experiment_ids": ["0", "77"]}).json()
    assert said == {
        "dataset_summaries": [
            {"experiment_id": "0", "name": "a", "digest": "1"},
            {"experiment_id": "0", "name": "b", "digest": "1", "context": "eval"},
        ]
    }
