"""MLflow's own scoring client against a data plane that runs as a process."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("mlflow")
pd = pytest.importorskip("pandas")

_spec = importlib.util.spec_from_file_location("plane_tests", Path(__file__).with_name("test_dataplane.py"))
_tests = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tests)


@pytest.fixture
def plane(tmp_path):
    at_work = _tests.Plane(tmp_path)
    at_work.publish()
    at_work.start()
    yield at_work
    at_work.end()


@pytest.mark.filterwarnings("ignore")
def test_the_client_is_answered(plane) -> None:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient("127.0.0.1", int(plane.url.rpartition(":")[2]))
    client.wait_server_ready(timeout=20)
    assert client.get_version()
    rows = pd.DataFrame([_tests.ROW | {"seats": 180, "cargo": True}, _tests.ROW | {"distance": 200, "cargo": None}])
    rows["scheduled_at"] = pd.to_datetime(rows["scheduled_at"])
    answered = client.invoke(rows).get_predictions()
    assert list(answered.columns) == ["prediction", "label"]
    assert len(answered) == 2
    assert client.invoke([_tests.ROW])["predictions"][0]["label"] in ("late", "on-time")
    refused = rows.drop(columns="tail")
    with pytest.raises(Exception, match="tail is missing"):
        client.invoke(refused)
