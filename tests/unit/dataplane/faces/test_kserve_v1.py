"""KServe V1 and TensorFlow Serving: rows or columns in, the same form out, plain or as CloudEvents."""

from __future__ import annotations

import base64
import gzip
import json

import orjson
import pytest

PREDICT = "/v1/models/late:predict"
ROWS = {"instances": [{"tail": "N1", "distance": 1000.0}, {"tail": "N2", "distance": 2000}]}
COLUMNS = {"inputs": {"tail": ["N1", "N2"], "distance": [1000, 2000]}}
TWO = [{"prediction": pytest.approx(0.11), "label": "on-time"}, {"prediction": pytest.approx(0.21), "label": "on-time"}]
EVENT = {"specversion": "1.0", "id": "e-1", "source": "test", "type": "asked"}


def b64(text: str) -> dict[str, str]:
    return {"b64": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    "body",
    [
        ROWS,
        {"instances": [["N1", 1000.0], ["N2", 2000]]},
        {"instances": [{"tail": ["N1"], "distance": [1000.0]}, {"tail": b64("N2"), "distance": 2000}]},
        ROWS | {"signature_name": "serving_default"},
    ],
)
def test_rows_are_answered_as_predictions(calling, body) -> None:
    async def scenario(call, office):
        answer = await call("POST", PREDICT, body, kind="")
        assert (answer.status, answer.json) == (200, {"predictions": TWO})
        assert answer.headers["x-noria-version"] == "1"
        ids = [row.request_id for row in office.journal.predictions()]
        assert ids == [f"{answer.headers['x-noria-id']}-{at}" for at in range(2)]

    calling(scenario)


def test_columns_are_answered_as_outputs(calling) -> None:
    async def scenario(call, office):
        wanted = {"outputs": {"prediction": [0.11, 0.21], "label": ["on-time", "on-time"]}}
        for columns in (COLUMNS, {"inputs": {"tail": [["N1"], ["N2"]], "distance": [[1000], [2000]]}}):
            answer = (await call("POST", PREDICT, columns)).json
            answer["outputs"]["prediction"] = [round(value, 9) for value in answer["outputs"]["prediction"]]
            assert answer == wanted

    calling(scenario)


def test_a_header_names_the_request_and_takes_an_outcome(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", PREDICT, {"instances": ROWS["instances"][:1]}, x_request_id="mine")
        assert answer.headers["x-noria-id"] == "mine"
        assert office.journal.predictions()[0].request_id == "mine"
        assert (await call("POST", PREDICT, ROWS, x_request_id="x" * 999)).status == 200

    calling(scenario)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not JSON"),
        ([], "not an object"),
        ({}, "needs instances (rows) or inputs (columns)"),
        (ROWS | COLUMNS, "needs instances (rows) or inputs (columns)"),
        ({"instances": {}}, "instances is not a list"),
        ({"inputs": 1}, "inputs is not a list"),
        ({"inputs": {"tail": "N1"}}, "tail is not a list"),
        ({"inputs": {"tail": ["N1"], "distance": [1, 2]}}, "not of one length"),
        ({"instances": [["N1"]]}, "row 0 must have 2 values (tail, distance), not 1"),
        ({"instances": [["N1", 1], {"tail": "N1", "distance": 1}]}, "row 1 is not a list"),
        ({"instances": ["N1"]}, "row 0 is not a list"),
        ({"instances": [{"tail": "N1"}]}, "distance is missing"),
        ({"instances": [{"tail": "N1", "distance": "far"}]}, "must be a number, not text"),
        ({"instances": [{"tail": "N1", "distance": [1, 2]}]}, "must be a number, not a list"),
        ({"instances": [{"tail": {"b64": "?"}, "distance": 1}]}, "b64 holds what is no text"),
        ({"instances": [{"tail": {"b64": 7}, "distance": 1}]}, "b64 holds what is no text"),
        ({"instances": [{"tail": {"b64": "/w=="}, "distance": 1}]}, "b64 holds what is no text"),
        ({"instances": [{"tail": "N1", "distance": float("nan")}]}, "distance must be finite"),
        ({"instances": [["N1", 1]] * 1_001}, "1,001 rows"),
        (ROWS | {"signature_name": "other"}, "there is no signature 'other'"),
        (ROWS | {"signature_name": ["a"]}, "there is no signature"),
    ],
)
def test_what_cannot_be_answered_says_why(calling, body, why) -> None:
    async def scenario(call, office):
        answer = await call("POST", PREDICT, body if isinstance(body, bytes) else json.dumps(body))
        assert (answer.status, list(answer.json)) == (400, ["error"])
        assert why in answer.json["error"]
        assert office.scorer.calls == []

    calling(scenario)


def test_models_are_told_to_three_protocols_at_once(calling) -> None:
    async def scenario(call, office):
        assert (await call("GET", "/")).json["status"] == "alive"
        listed = (await call("GET", "/v1/models")).json
        assert (listed["models"], listed["object"], listed["data"][0]["id"]) == (["late"], "list", "late")
        for path in ("", "/versions/1", "/labels/champion"):
            model = (await call("GET", "/v1/models/late" + path)).json
            assert (model["id"], model["object"], model["name"], model["ready"]) == ("late", "model", "late", True)
            assert model["model_version_status"] == [
                {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            ]
            told = (await call("GET", f"/v1/models/late{path}/metadata")).json
            assert told["model_spec"]["version"] == "1"
            served = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
            assert (served["inputs"]["tail"]["dtype"], served["outputs"]["prediction"]["dtype"]) == ("DT_STRING", "DT_DOUBLE")

    calling(scenario)


@pytest.mark.parametrize("start", ["latte", "late/versions/9", "late/versions/x", "late/labels/challenger", "late/labels/x", "late/other"])
def test_what_is_not_there_is_a_404_in_the_protocols_form(calling, start) -> None:
    async def scenario(call, office):
        for method, path in (("GET", ""), ("POST", ":predict")):
            answer = await call(method, f"/v1/models/{start}{path}", ROWS)
            assert (answer.status, list(answer.json)) == (404, ["error"])

    calling(scenario)


@pytest.mark.parametrize("start", ["late/versions/1", "late/labels/champion"])
def test_a_version_can_be_asked_for(calling, start) -> None:
    async def scenario(call, office):
        assert (await call("POST", f"/v1/models/{start}:predict", ROWS)).json == {"predictions": TWO}

    calling(scenario)


def test_a_packed_body_is_read_and_answered_packed(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", PREDICT, gzip.compress(orjson.dumps(ROWS)), content_encoding="gzip", accept_encoding="gzip")
        assert orjson.loads(gzip.decompress(answer.body)) == {"predictions": TWO}

    calling(scenario)


def test_an_event_in_headers_is_answered_by_one_in_headers(calling) -> None:
    async def scenario(call, office):
        headers = {f"ce_{name}": value for name, value in EVENT.items()}
        answer = await call("POST", PREDICT, ROWS, **headers)
        assert (answer.status, answer.content_type, answer.json) == (200, "application/json", {"predictions": TWO})
        assert (answer.headers["ce-specversion"], answer.headers["ce-type"]) == ("1.0", "io.kserve.inference.response")
        assert answer.headers["ce-source"] == "io.kserve.inference.late"
        assert answer.headers["ce-id"] not in ("", "e-1")
        assert [row.request_id for row in office.journal.predictions()] == ["e-1-0", "e-1-1"]

    calling(scenario)


@pytest.mark.parametrize("kind", ["application/cloudevents+json; charset=utf-8", "application/json"])
@pytest.mark.parametrize("data", [{"data": ROWS}, {"data_base64": base64.b64encode(orjson.dumps(ROWS)).decode()}], ids=["data", "base64"])
def test_an_event_as_one_document_is_answered_by_one(calling, kind, data) -> None:
    async def scenario(call, office):
        answer = await call("POST", PREDICT, EVENT | data, kind=kind)
        assert (answer.status, answer.content_type) == (200, "application/cloudevents+json")
        assert (answer.json["data"], answer.json["type"], answer.json["specversion"]) == (
            {"predictions": TWO}, "io.kserve.inference.response", "1.0",
        )  # fmt: skip

    calling(scenario)


def test_an_id_that_no_header_can_carry_is_not_put_into_one(calling) -> None:
    async def scenario(call, office):
        event = EVENT | {"id": "a\r\nx-evil: 1", "data": {"instances": ROWS["instances"][:1]}}
        answer = await call("POST", PREDICT, event, kind="application/cloudevents+json")
        assert answer.status == 200
        assert "x-noria-id" not in answer.headers
        assert office.journal.predictions()[0].request_id == "a\r\nx-evil: 1"

    calling(scenario)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"data": ROWS}, "specversion must be text"),
        (EVENT | {"specversion": "9", "data": ROWS}, "specversion must be 1.0"),
        (EVENT | {"id": 7, "data": ROWS}, "id must be text"),
        (EVENT, "data is not an object"),
        (EVENT | {"data": "text"}, "data is not an object"),
        (EVENT | {"data_base64": "?"}, "not base64"),
    ],
)
def test_an_event_that_is_none_says_why(calling, event, why) -> None:
    async def scenario(call, office):
        answer = await call("POST", PREDICT, event, kind="application/cloudevents+json")
        assert (answer.status, why in answer.json["error"]) == (400, True), answer.json

    calling(scenario)
