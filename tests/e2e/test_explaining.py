"""Reasons on request, over every protocol that can ask for them, from a data plane that runs as a process."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import httpx
import pytest

from noria.adapters.journal_files import FileJournalReader
from noria.stages.serving import log

_spec = importlib.util.spec_from_file_location("inference_process", Path(__file__).with_name("inference_process.py"))
process = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(process)

asking = httpx.Client(timeout=60)  # the first explanation of a scikit-learn model imports scikit-learn

ROW = {"a": 0.5, "b": -1.0, "city": "Zürich"}
NUMBERS = {"a": 0.5, "b": -1.0, "c": 1.0}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    process.make_home(home)
    return home


@pytest.fixture(scope="module")
def url(home):
    running, address = process.start(home)
    yield f"http://{address}"
    asking.close()
    running.terminate()
    running.wait(20)


def adds_up(why: dict, answer: float) -> bool:
    total = why["base"] + sum(part["part"] for part in why["parts"])
    given = {"log-odds": lambda: 1 / (1 + math.exp(-total)), "value": lambda: total}[why["scale"]]()
    return total == pytest.approx(why["margin"]) and given == pytest.approx(answer, abs=1e-5)


def test_trees_give_their_own_parts(url) -> None:
    one = asking.post(f"{url}/predict/churn", json={"id": "mine", "inputs": ROW, "explain": True}).json()
    why = one["explanation"]
    assert (one["id"], why["method"], why["subject"], why["background"]) == ("mine", "tree-shap", "leaves", "")
    assert {part["feature"]: part["value"] for part in why["parts"]} == ROW
    assert adds_up(why, one["prediction"])


def test_many_rows_are_explained_each(url) -> None:
    rows = [{"id": f"r{n}", "inputs": ROW | {"a": n / 10}} for n in range(100)]
    told = asking.post(f"{url}/predict/churn", json={"rows": rows, "explain": True}).json()["rows"]
    assert all(adds_up(one["explanation"], one["prediction"]) for one in told)
    plain = asking.post(f"{url}/predict/churn", json={"rows": rows}).json()["rows"]
    assert [one["prediction"] for one in told] == [one["prediction"] for one in plain]
    refused = asking.post(f"{url}/predict/churn", json={"rows": rows * 2, "explain": True})
    assert (refused.status_code, refused.json()["error"]["fields"]) == (422, {"explain": "at most 100 rows of one request are explained"})


def test_linear_models_are_held_against_kept_rows(url) -> None:
    one = asking.post(f"{url}/predict/price", json={"inputs": NUMBERS, "explain": True}).json()
    why = one["explanation"]
    assert (why["method"], why["scale"], why["subject"]) == ("linear", "value", "value")
    assert why["background"].startswith("sha256:")
    assert adds_up(why, one["prediction"]) and one["prediction"] == pytest.approx(9.5, abs=1e-5)


def test_what_has_no_exact_method_says_so_and_can_be_kept_for_later(url) -> None:
    refused = asking.post(f"{url}/predict/kind", json={"inputs": NUMBERS, "explain": True})
    assert (refused.status_code, refused.json()["error"]["fields"]) == (422, {"explain": 'must be "later" or left out'})
    assert "no exact method" in refused.json()["error"]["message"]
    for strange in (1, "now", [], {}):
        refused = asking.post(f"{url}/predict/churn", json={"inputs": ROW, "explain": strange})
        assert (refused.status_code, list(refused.json()["error"]["fields"])) == (422, ["explain"])
    later = asking.post(f"{url}/predict/kind", json={"id": "a/b", "inputs": NUMBERS, "explain": "later"}).json()
    assert later["explanation"] == {"later": "/api/v1/loops/kind/requests/a%2Fb"}
    assert "explanation" not in asking.post(f"{url}/predict/churn", json={"inputs": ROW, "explain": False}).json()


def test_v1_explains(url) -> None:
    told = asking.post(f"{url}/v1/models/churn:explain", json={"instances": [ROW, ROW | {"a": 2.0}]}).json()
    assert all(adds_up(why, one["prediction"]) for why, one in zip(told["explanations"], told["predictions"], strict=True))
    refused = asking.post(f"{url}/v1/models/churn:explain", json={"instances": [{"a": 1.0}]})
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_the_inference_protocol_explains(url) -> None:
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in NUMBERS.items()]
    told = asking.post(f"{url}/v2/models/price/infer", json={"inputs": inputs, "parameters": {"explain": True}}).json()
    prediction, explanation = told["outputs"]
    assert (explanation["name"], explanation["datatype"], explanation["shape"]) == ("explanation", "BYTES", [1, 1])
    assert adds_up(json.loads(explanation["data"][0]), prediction["data"][0])


def test_reasons_are_in_the_log_with_what_they_explain(url, home) -> None:
    told = asking.post(f"{url}/predict/churn", json={"id": "kept", "inputs": ROW, "explain": True}).json()
    log.compact(FileJournalReader(home / "journal"), home / "log")
    kept = json.loads(log.explanation(home / "log", "churn", "kept"))
    assert kept["margin"] == told["explanation"]["margin"]
    assert log.find(home / "log", "churn", "kept").height == 1
    metrics = httpx.get(f"{url}/metrics").text
    assert "noria_rows_unexplained_total 0.0" in metrics
