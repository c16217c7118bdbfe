"""What users of MLflow's own, unmodified client do all day: train with autologging, register, load, search, evaluate."""

import subprocess
import sys
import threading

import pytest

from noria.adapters.sqlite import Sqlite

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and the libraries that it patches warn of each other.

ROWS, COLUMNS = 60, ["a", "b", "c"]
THREADS, POINTS = 64, 20

SECOND_WRITER = """
import sys
from pathlib import Path
from noria.adapters.sqlite import Sqlite
from noria.ports.records import Put
store = Sqlite(Path(sys.argv[1]))
for n in range(200):
    store.commit(Put(kind="note", key=str(n), body=b"{}"))
store.close()
"""


@pytest.fixture
def store(tmp_path):
    """One file: what a database may do otherwise is held elsewhere."""
    store = Sqlite(tmp_path / "noria.db")
    yield store
    store.close()


@pytest.fixture
def data():
    """Features, and what is to be predicted of them."""
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    features = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, len(COLUMNS))), columns=COLUMNS)
    return features, (features["a"] > 0).astype(int)


@pytest.fixture
def fitted(data):
    """A model."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(*data)


def test_sklearn_is_logged_by_itself_with_its_model_and_its_data(client, data):
    import mlflow
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog()
    with mlflow.start_run() as run:
        fitted = LogisticRegression().fit(*data)
    mlflow.sklearn.autolog(log_models=False, max_tuning_runs=3)
    with mlflow.start_run() as search:
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1, 10]}, cv=2).fit(*data)
    mlflow.sklearn.autolog(disable=True)
    told = client.get_run(run.info.run_id)
    assert told.data.params["C"] and "training_score" in told.data.metrics and told.inputs.dataset_inputs
    uri = f"models:/{told.outputs.model_outputs[0].model_id}"
    assert (mlflow.pyfunc.load_model(uri).predict(data[0]) == fitted.predict(data[0])).all()
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{search.info.run_id}'")
    assert len(children) == 3 and "best_C" in client.get_run(search.info.run_id).data.params


def test_boosted_trees_are_logged_round_by_round(client, data):
    import mlflow
    import mlflow.lightgbm
    import mlflow.xgboost

    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    mlflow.lightgbm.autolog(log_models=False)
    mlflow.xgboost.autolog(log_models=False)
    with mlflow.start_run() as light:
        rows = lightgbm.Dataset(*data)
        lightgbm.train(
            {"objective": "binary", "verbosity": -1, "num_threads": 1}, rows, num_boost_round=9, valid_sets=[rows], valid_names=["t"]
        )
    with mlflow.start_run() as heavy:
        matrix = xgboost.DMatrix(*data)
        xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, num_boost_round=7, evals=[(matrix, "t")], verbose_eval=False)
    mlflow.lightgbm.autolog(disable=True)
    mlflow.xgboost.autolog(disable=True)
    assert [point.step for point in client.get_metric_history(light.info.run_id, "t-binary_logloss")] == list(range(9))
    assert [point.step for point in client.get_metric_history(heavy.info.run_id, "t-logloss")] == list(range(7))


def test_a_registered_model_is_loaded_by_all_of_its_names(client, data, fitted):
    import mlflow
    import mlflow.sklearn

    with mlflow.start_run() as run:
        made = mlflow.sklearn.log_model(
            fitted, name="model", registered_model_name="churn", input_example=data[0][:2], pip_requirements=["scikit-learn"]
        )
    mlflow.register_model(f"runs:/{run.info.run_id}/model", "churn")
    client.set_registered_model_alias("churn", "champion", "1")
    client.transition_model_version_stage("churn", "2", "Production")
    client.copy_model_version("models:/churn@champion", "copy")
    uris = [f"models:/churn{name}" for name in ("@champion", "/1", "/latest", "/Production")]
    for uri in (*uris, "models:/copy/1", f"runs:/{run.info.run_id}/model", made.model_uri):
        assert (mlflow.pyfunc.load_model(uri).predict(data[0]) == fitted.predict(data[0])).all(), uri
    assert mlflow.models.get_model_info("models:/churn/1").signature is not None
    assert client.get_model_version("churn", "1").run_id == run.info.run_id


def test_models_and_predictions_are_evaluated(client, data, fitted):
    import mlflow
    import mlflow.sklearn

    pytest.importorskip("matplotlib")
    with mlflow.start_run() as run:
        uri = mlflow.sklearn.log_model(fitted, name="model", pip_requirements=["scikit-learn"]).model_uri
        rows = data[0].assign(y=data[1])
        mlflow.models.evaluate(uri, rows, targets="y", model_type="classifier", evaluator_config={"log_explainer": False})
    rows = rows.assign(predicted=data[1])[["y", "predicted"]]
    with mlflow.start_run() as static:
        mlflow.models.evaluate(data=rows, targets="y", predictions="predicted", model_type="classifier")
    assert client.get_run(run.info.run_id).data.metrics["accuracy_score"] > 0.8
    assert client.get_run(static.info.run_id).data.metrics["accuracy_score"] == 1


def test_a_loop_in_torch_is_logged_with_its_model(client, data):
    import mlflow

    torch = pytest.importorskip("torch")
    import mlflow.pytorch

    net = torch.nn.Linear(len(COLUMNS), 1)
    steps = torch.optim.SGD(net.parameters(), 0.1)
    rows, wanted = (torch.tensor(each.to_numpy(), dtype=torch.float32) for each in data)
    with mlflow.start_run() as run:
        for step in range(5):
            loss = torch.nn.functional.mse_loss(net(rows)[:, 0], wanted)
            steps.zero_grad()
            loss.backward()
            steps.step()
            mlflow.log_metric("loss", loss.item(), step=step)
        mlflow.pytorch.log_model(net, name="net", registered_model_name="net", input_example=rows[:2].numpy(), pip_requirements=["torch"])
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 5
    assert torch.equal(mlflow.pytorch.load_model("models:/net/1")(rows), net(rows))


def test_runs_are_nested_resumed_filled_in_the_background_and_read_as_tables(client, data):
    import mlflow

    with mlflow.start_run(run_name="outer", description="words") as run:
        mlflow.log_params({"p": 1})
        mlflow.log_table({"a": [1]}, "table.json")
        mlflow.log_table({"a": [2]}, "table.json")
        mlflow.log_input(mlflow.data.from_pandas(data[0], name="rows"), context="training")
        for step in range(20):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        mlflow.flush_async_logging()
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_metric("k", 1)
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("resumed", 1)
    told = client.get_run(run.info.run_id)
    assert told.info.status == "FINISHED" and told.data.metrics["resumed"] == 1 and told.data.tags["mlflow.note.content"] == "words"
    assert told.inputs.dataset_inputs[0].dataset.name == "rows"
    assert len(client.get_metric_history(run.info.run_id, "m")) == 20
    assert list(mlflow.load_table("table.json", run_ids=[run.info.run_id])["a"]) == [1, 2]
    assert client.get_parent_run(inner.info.run_id).info.run_id == run.info.run_id
    found = mlflow.search_runs(filter_string="metrics.m > 0 and params.p = '1'", order_by=["metrics.m DESC"])
    assert list(found["run_id"]) == [run.info.run_id] and found["metrics.m"][0] == 19
    client.delete_run(inner.info.run_id)
    client.delete_run(inner.info.run_id)


def test_sixty_four_threads_log_at_once_beside_another_process_and_nothing_is_lost(client, store, tmp_path):
    run = client.create_run("0").info.run_id
    second = subprocess.Popen([sys.executable, "-c", SECOND_WRITER, str(tmp_path / "noria.db")], stderr=subprocess.PIPE)
    failures = []

    def log(thread):
        try:
            for step in range(POINTS):
                client.log_metric(run, f"m{thread}", step, step=step)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, said = second.communicate()
    assert second.returncode == 0, said
    assert failures == []
    assert all(len(client.get_metric_history(run, f"m{thread}")) == POINTS for thread in range(0, THREADS, 7))
    assert client.get_run(run).data.metrics == {f"m{thread}": POINTS - 1 for thread in range(THREADS)}
    assert all(store.get("note", str(n)) for n in range(200))
