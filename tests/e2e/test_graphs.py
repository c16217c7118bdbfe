"""Graphs of deployments through a user's doors, in real processes: declared, asked by every protocol, traced, moved and exported."""

from __future__ import annotations

import importlib.util
import json
import threading
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

import noria as nr

_spec = importlib.util.spec_from_file_location("test_deployments", Path(__file__).with_name("test_deployments.py"))
alone = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(alone)

ASKED, SAID = alone.ASKED, alone.SAID
BLEND = 0.75 * SAID[0] + 0.25 * SAID[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = alone.Home(tmp_path_factory.mktemp("graphs"))
    with alone.socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        home.grpc_port = free.getsockname()[1]
    home.env["NORIA_GRPC_PORT"] = str(home.grpc_port)
    for name, place in (("big", 0), ("small", 1), ("spare", 2)):
        bring(home, name, place)
    home.noria("deploy", "blend", "--ensemble", "big=3,small=1", "--because", "two are better")
    (home.folder / "graph.py").write_text('import noria as nr\nby_a = nr.Switch(by="a", cases={"0.5": "small"}, otherwise="big")\n')
    home.noria("deploy", "by-a", "graph.py")
    home.noria("up", "--detach")
    home.until(lambda: answered(home, "blend") == pytest.approx(BLEND), "the graph answers")
    yield home
    home.noria("stop")


def bring(home, name, place):
    nr.deploy(name, alone.MODELS[place], example=alone.ROWS, home=home.folder / ".noria", by="ada")


def answered(home, name, inputs=ASKED):
    try:
        return home.predict(name, inputs).json().get("prediction")
    except httpx.TransportError:
        return None


def post(home, path, body, **headers):
    return httpx.post(f"http://127.0.0.1:{home.serve_port}{path}", json=body, headers=headers, timeout=30)


def test_a_graph_is_listed_with_who_and_why_and_has_no_problem(home):
    assert home.predict("by-a").json()["prediction"] == pytest.approx(SAID[1])
    assert home.predict("by-a", {"a": 2.0, "b": 0.0}).json()["version"] == 1
    assert home.get("/api/v1/deployments/blend").json()["deployment"]["members"] == ["big", "small"]
    why = home.noria("why", "blend")
    assert "two are better" in why and "the mean of big (0.75) and small (0.25)" in why and "big v1, small v1" in why
    assert httpx.get(f"http://127.0.0.1:{home.serve_port}/plan").json()["problems"] == {}


def test_every_protocol_gets_the_graphs_answer(home):
    rows = {"rows": [{"inputs": ASKED}] * 3}
    assert [one["prediction"] for one in post(home, "/predict/blend", rows).json()["rows"]] == pytest.approx([BLEND] * 3)
    tensors = [{"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]} for name, value in ASKED.items()]
    assert post(home, "/v2/models/blend/infer", {"inputs": tensors}).json()["outputs"][0]["data"] == pytest.approx([BLEND])
    assert post(home, "/v1/models/blend:predict", {"instances": [ASKED, ASKED]}).json()["predictions"] == pytest.approx([BLEND] * 2)
    scored = post(home, "/invocations", {"dataframe_records": [ASKED]}, **{"x-noria-deployment": "blend"})
    assert scored.json()["predictions"] == pytest.approx([BLEND])
    described = httpx.get(f"http://127.0.0.1:{home.serve_port}/v2/models/blend").json()
    assert [one["name"] for one in described["inputs"]] == ["a", "b"]


def test_over_grpc_it_answers_as_any_model(home):
    client = InferenceServerClient(f"127.0.0.1:{home.grpc_port}")
    inputs = []
    for name, value in ASKED.items():
        inputs.append(InferInput(name, [1, 1], "FP64"))
        inputs[-1].set_data_from_numpy(np.array([[value]]))
    found = client.infer("blend", inputs)
    assert found.as_numpy(found.get_response().outputs[0].name).ravel() == pytest.approx([BLEND])
    client.close()


def test_an_answer_can_be_fetched_later_and_told_its_outcome(home):
    later = post(home, "/predict/blend?wait=no", {"inputs": ASKED})
    where = f"http://127.0.0.1:{home.serve_port}{later.headers['location']}"
    home.until(lambda: httpx.get(where).status_code == 200, "the answer is there")
    assert httpx.get(where).json()["prediction"] == pytest.approx(BLEND)
    told = post(home, "/feedback/blend", {"outcomes": [{"id": later.json()["id"], "value": 1.5}]})
    assert told.json() == {"accepted": 1}


def test_what_is_wrong_is_said_in_the_callers_terms(home):
    told = home.predict("blend", {"a": "much", "b": 1.0})
    assert told.status_code == 422 and "a" in told.json()["error"]["fields"]
    told = post(home, "/predict/blend", {"inputs": ASKED, "explain": True})
    assert told.status_code == 422 and "it is a graph" in told.json()["error"]["message"]


def test_keys_of_a_graph_are_its_own_and_its_members_need_none_of_the_caller(home):
    made = json.loads(home.noria("keys", "add", "by-a", "--json"))
    home.until(lambda: home.predict("by-a").status_code == 401, "the key is asked for")
    told = post(home, "/predict/by-a", {"inputs": ASKED}, authorization=f"Bearer {made['key']}")
    assert told.json()["prediction"] == pytest.approx(SAID[1])
    assert home.predict("small").status_code == 200


def test_a_prediction_is_traced_to_the_versions_that_made_it(home):
    id = home.predict("blend").json()["id"]
    log = home.folder / ".noria" / "log"

    def line(name):
        parts = (log / name / "predictions").glob("[0-9]*.parquet")
        found = pl.concat([pl.read_parquet(part).filter(pl.col("request_id") == id) for part in parts] or [pl.DataFrame()], how="diagonal")
        return found.to_dicts()

    home.until(lambda: log.exists() and line("blend") and line("big") and line("small"), "it is in the log")
    (mine,) = line("blend")
    said = json.loads(mine["members"])
    assert mine["answer"] == pytest.approx(BLEND)
    assert said["big"]["version"] == line("big")[0]["version"] and said["big"]["prediction"] == line("big")[0]["answer"]
    told = home.get(f"/api/v1/loops/blend/requests/{id}").json()["error"]["message"]
    assert f"big v{said['big']['version']} (champion) said {said['big']['prediction']}" in told
    page = home.get("/deployments/blend").text
    assert 'href="/deployments/big"' in page and "the mean of big" in page


def test_members_and_the_graph_change_under_load_without_a_lost_or_a_mixed_answer(home):
    said, over = [], threading.Event()

    def ask():
        with httpx.Client() as client:
            while not over.is_set():
                told = home.predict("blend", client=client)
                said.append((told.status_code, told.json().get("version"), told.json().get("prediction")))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for one in asking:
        one.start()
    bring(home, "big", 2)
    home.until(lambda: answered(home, "blend") == pytest.approx(0.75 * SAID[2] + 0.25 * SAID[1]), "a new member is asked")
    assert home.order("deployments/big/rollback").status_code == 200
    home.until(lambda: answered(home, "blend") == pytest.approx(BLEND), "the member before is asked")
    nr.deploy("blend", nr.Ensemble(weights={"big": 1, "small": 1}, fallback="spare"), home=home.folder / ".noria", by="ada")
    even = (SAID[0] + SAID[1]) / 2
    home.until(lambda: answered(home, "blend") == pytest.approx(even), "the graph of Python answers")
    assert home.order("deployments/blend/rollback").status_code == 200
    home.until(lambda: answered(home, "blend") == pytest.approx(BLEND), "the graph before answers")
    over.set()
    for one in asking:
        one.join()
    assert {status for status, _, _ in said} == {200}
    may = {1: [BLEND, 0.75 * SAID[2] + 0.25 * SAID[1]], 2: [even]}
    assert {version for _, version, _ in said} == {1, 2}
    assert all(any(prediction == pytest.approx(one) for one in may[version]) for _, version, prediction in said)


def test_over_http_a_graph_is_declared_refused_and_taken_away(home):
    graph = {"chain": {"first": "big", "then": "small", "as_field": "b"}}
    told = home.order("deployments/remote", graph=graph, by="ada", reason="a look")
    assert told.status_code == 422 and "takes 'b' from the caller" in told.json()["error"]["message"]
    told = home.order("deployments/remote", graph={"ensemble": {"weights": {"nobody": 1}}})
    assert told.status_code == 422 and "nothing answers as 'nobody'" in told.json()["error"]["message"]
    assert home.order("deployments/remote", graph={"ensemble": {"weights": {"big": 1}, "fallbak": "small"}}).status_code == 422
    told = home.order("deployments/remote", graph={"ensemble": {"weights": {"big": 1}, "fallback": "small"}})
    assert told.status_code == 200 and told.json()["deployment"]["members"] == ["big", "small"]
    home.until(lambda: answered(home, "remote") == pytest.approx(SAID[0]), "it answers")
    assert home.order("deployments/big/undeploy").json()["error"]["code"] == "not-allowed"
    assert home.order("deployments/remote/undeploy").status_code == 200
    home.until(lambda: home.predict("remote").status_code == 404, "nobody answers")


def test_a_graph_is_taken_out_with_its_members_and_answers_by_itself(home):
    home.noria("export", "blend", "image")
    plan = json.loads((home.folder / "image" / "plan" / "plan.json").read_text())
    assert set(plan["routes"]) == {"blend", "big", "small"}
