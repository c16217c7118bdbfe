"""The Open Inference Protocol over HTTP: every form in, the form that was asked for out, and errors as one text."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import zlib

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noria.dataplane.limits import RequestLimits

TAIL = {"name": "tail", "shape": [2, 1], "datatype": "BYTES", "data": ["N1", "N2"]}
DISTANCE = {"name": "distance", "shape": [2, 1], "datatype": "FP32", "data": [1000.0, 2000]}
BOTH = {"inputs": [TAIL, DISTANCE]}
INFER = "/v2/models/late/infer"
ANSWERS = [pytest.approx(0.11), pytest.approx(0.21)]


def binary(document: dict, *behind: bytes) -> tuple[bytes, dict[str, str]]:
    told = orjson.dumps(document)
    return told + b"".join(behind), {"inference_header_content_length": str(len(told))}


def pieces(*texts: str) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text.encode() for text in texts)


def behind(name: str, datatype: str, raw: bytes, shape=(2, 1)) -> dict:
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}


def test_tensors_as_json_are_answered_as_json(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, BOTH | {"id": "mine"}, kind="")
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert answer.json == {
            "model_name": "late",
            "model_version": "1",
            "id": "mine",
            "outputs": [
                {"name": "prediction", "datatype": "FP64", "shape": [2, 1], "data": ANSWERS},
                {"name": "label", "datatype": "BYTES", "shape": [2, 1], "data": ["on-time", "on-time"]},
            ],
        }
        assert [row.request_id for row in office.journal.predictions()] == ["mine-0", "mine-1"]

    calling(scenario)


@pytest.mark.parametrize(
    "data", [([["N1"], ["N2"]], [[1000], [2000]]), (["N1", "N2"], [1000.0, 2000.0])], ids=["nested", "flat"]
)  # fmt: skip
def test_data_may_be_nested_or_flat(calling, data) -> None:
    async def scenario(call, office):
        asked = {"inputs": [TAIL | {"data": data[0]}, DISTANCE | {"data": data[1]}]}
        assert (await call("POST", INFER, asked)).json["outputs"][0]["data"] == ANSWERS

    calling(scenario)


def test_raw_tensors_are_answered_raw(calling) -> None:
    async def scenario(call, office):
        texts, numbers = pieces("N1", "N2"), struct.pack("<2f", 1000, 2000)
        asked = {"id": "b", "parameters": {"binary_data_output": True}}
        asked["inputs"] = [behind("tail", "BYTES", texts), behind("distance", "FP32", numbers)]
        body, headers = binary(asked, texts, numbers)
        answer = await call("POST", INFER, body, kind="application/octet-stream", **headers)
        assert (answer.status, answer.content_type) == (200, "application/octet-stream")
        at = int(answer.headers["inference-header-content-length"])
        prediction, label = orjson.loads(answer.body[:at])["outputs"]
        assert (prediction["parameters"], label["parameters"]) == ({"binary_data_size": 16}, {"binary_data_size": 22})
        assert "data" not in prediction
        assert list(struct.unpack("<2d", answer.body[at : at + 16])) == ANSWERS
        assert answer.body[at + 16 :] == pieces("on-time", "on-time")

    calling(scenario)


def test_each_output_goes_as_it_was_asked_for(calling) -> None:
    async def scenario(call, office):
        wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "prediction", "parameters": {"binary_data": False}}]
        answer = await call("POST", INFER, BOTH | {"outputs": wanted, "parameters": {"binary_data_output": True}})
        at = int(answer.headers["inference-header-content-length"])
        label, prediction = orjson.loads(answer.body[:at])["outputs"]
        assert (label["name"], prediction["data"]) == ("label", ANSWERS)
        assert answer.body[at:] == pieces("on-time", "on-time")

    calling(scenario)


def test_classes_are_counted_out(calling) -> None:
    async def scenario(call, office):
        wanted = [{"name": "prediction", "parameters": {"classification": 1, "binary_data": False}}]
        (told,) = (await call("POST", INFER, BOTH | {"outputs": wanted})).json["outputs"]
        assert (told["datatype"], told["shape"], told["data"]) == ("BYTES", [2, 1], ["0.890000:0:on-time", "0.790000:0:on-time"])

    calling(scenario)


def test_an_id_is_made_where_none_is_given_and_takes_an_outcome(calling) -> None:
    async def scenario(call, office):
        one = {"inputs": [TAIL | {"shape": [1], "data": ["N1"]}, DISTANCE | {"shape": [1], "data": [1.0]}], "id": ""}
        answer = await call("POST", INFER, one)
        assert answer.json["id"] == office.journal.predictions()[0].request_id
        told = await call("POST", "/feedback/late", {"outcomes": [{"id": answer.json["id"], "value": 1}]})
        assert told.json == {"accepted": 1}

    calling(scenario)


def test_hints_of_mlserver_are_answered_with_hints(calling) -> None:
    async def scenario(call, office):
        coded = TAIL | {"data": ["TjE=", "TjI="], "parameters": {"content_type": "base64"}}
        answer = await call("POST", INFER, {"inputs": [coded, DISTANCE], "parameters": {"content_type": "pd"}})
        assert [one["parameters"]["content_type"] for one in answer.json["outputs"]] == ["np", "str"]
        assert [row.inputs["tail"] for row in office.journal.predictions()] == ["N1", "N2"]

    calling(scenario)


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes), ("GZip", gzip.compress)]
)
def test_a_compressed_body_is_read(calling, coding, pack) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, pack(orjson.dumps(BOTH)), content_encoding=coding)
        assert answer.json["outputs"][0]["data"] == ANSWERS

    calling(scenario)


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_an_answer_is_compressed_for_who_takes_nothing_else(calling, coding, unpack) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, BOTH, accept_encoding=coding)
        assert answer.headers["content-encoding"] == coding
        assert orjson.loads(unpack(answer.body))["outputs"][0]["data"] == ANSWERS

    calling(scenario)


@pytest.mark.parametrize(
    ("accepted", "rows", "coding"),
    [("gzip, deflate, br", 1, None), ("gzip, deflate, br", 200, "gzip"), ("gzip;q=0, deflate;q=0.5", 200, "deflate"), ("br", 200, None)],
)
def test_a_long_answer_is_compressed_where_that_is_taken(calling, accepted, rows, coding) -> None:
    async def scenario(call, office):
        asked = {"inputs": [TAIL | {"shape": [rows], "data": ["N1"] * rows}, DISTANCE | {"shape": [rows], "data": [1.0] * rows}]}
        answer = await call("POST", INFER, asked, accept_encoding=accepted)
        assert answer.headers.get("content-encoding") == coding

    calling(scenario)


@pytest.mark.parametrize(
    ("body", "coding", "status", "why"),
    [
        (gzip.compress(bytes(RequestLimits().body_bytes + 1)), "gzip", 413, "when unpacked"),
        (zlib.compress(bytes(50 << 20)), "deflate", 413, "when unpacked"),
        (b"no gzip", "gzip", 400, "is not gzip"),
        (gzip.compress(b"{}")[:-4], "gzip", 400, "not one whole piece"),
        (gzip.compress(b"") * 2, "gzip", 400, "not one whole piece"),
        (b"{}", "br", 415, "'br' is not read"),
        (b"{}", "gzip, gzip", 415, "is not read"),
    ],
    ids=["bomb", "large-bomb", "no-gzip", "cut", "several", "brotli", "twice"],
)  # fmt: skip
def test_a_body_that_cannot_be_unpacked_is_refused(calling, body, coding, status, why) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, body, content_encoding=coding)
        assert (answer.status, list(answer.json)) == (status, ["error"])
        assert why in answer.json["error"]

    calling(scenario)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"inputs": [{"name": "\\ud800", "x": NaN}]}', "not JSON"),
        (b"[" * 100_000 + b"NaN", "not JSON"),
        ([], "not an object"),
        ({}, "there are no inputs"),
        ({"inputs": None}, "there are no inputs"),
        ({"inputs": {}}, "inputs is not a list"),
        ({"inputs": [1]}, "inputs[0] is not an object"),
        ({"inputs": [{}]}, "name is not text"),
        ({"inputs": [{"name": "tail"}]}, "datatype is not text"),
        ({"inputs": [{"name": "tail", "datatype": "BYTES"}]}, "needs a shape"),
        ({"inputs": [TAIL | {"data": None}]}, "has no data"),
        ({"inputs": [TAIL | {"data": [["N1", "N2"]]}]}, "not nested as its shape [2, 1] says"),
        ({"inputs": [TAIL | {"data": [["N1"], ["N2", "N3"]]}]}, "not nested"),
        ({"inputs": [TAIL | {"data": [["N1"], "N2"]}]}, "not nested"),
        ({"inputs": [TAIL | {"data": {"a": 1}}]}, "has 1 values; its shape [2, 1] wants 2"),
        ({"inputs": [TAIL]}, "row 0: distance is missing"),
        ({"inputs": [TAIL, DISTANCE | {"name": "distanze"}]}, "did you mean 'distance'?"),
        ({"inputs": [TAIL, DISTANCE | {"datatype": "FP31"}]}, "has datatype 'FP31'"),
        ({"inputs": [TAIL, DISTANCE | {"datatype": "BYTES", "data": ["1", "2"]}]}, "must be a number, not text"),
        ({"inputs": [TAIL, DISTANCE | {"data": [1.0, None]}]}, "row 1: distance must not be null"),
        ({"inputs": [TAIL, DISTANCE | {"shape": [2, 2], "data": [1, 2, 3, 4]}]}, "one value per row"),
        ({"inputs": [TAIL | {"parameters": []}]}, "parameters of inputs[0]"),
        ({"inputs": [TAIL | {"parameters": {"shared_memory_region": "r"}}]}, "shared memory"),
        ({"inputs": [TAIL | {"parameters": {"binary_data_size": 8}}]}, "0 are left"),
        (BOTH | {"parameters": 1}, "parameters of the request"),
        (BOTH | {"id": 7}, "id is not text"),
        (BOTH | {"id": "x" * 300}, "an id is text of 1 to 200"),
        (BOTH | {"outputs": [{"name": "score"}]}, "there are prediction, label"),
        (BOTH | {"outputs": [{}]}, "name is not text"),
        (BOTH | {"outputs": ["prediction"]}, "not an object"),
        (BOTH | {"outputs": [{"name": "label", "parameters": {"classification": 1}}]}, "no classes"),
        (BOTH | {"outputs": [{"name": "label", "parameters": {"classification": "1"}}]}, "no whole number"),
        (BOTH | {"outputs": [{"name": "label", "parameters": {"shared_memory_region": "r"}}]}, "shared memory"),
    ],
)
def test_what_cannot_be_answered_says_why(calling, body, why) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, body)
        assert (answer.status, answer.content_type, list(answer.json)) == (400, "application/json", ["error"])
        assert why in answer.json["error"]
        assert office.scorer.calls == []

    calling(scenario)


def test_nan_is_read_and_refused_where_a_value_must_be(calling) -> None:
    async def scenario(call, office):
        body = orjson.dumps({"inputs": [TAIL, DISTANCE]}).replace(b"1000.0", b"NaN")
        answer = await call("POST", INFER, body)
        assert answer.status == 400
        assert "row 0: distance must be finite" in answer.json["error"]

    calling(scenario)


@pytest.mark.parametrize("length", ["0", "-1", "x", "²", "9" * 30, "1.0", "99999"])
def test_a_header_that_names_no_length_is_refused(calling, length) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, BOTH, inference_header_content_length=length)
        assert (answer.status, "inference-header-content-length" in answer.json["error"]) == (400, True)

    calling(scenario)


@pytest.mark.parametrize(
    ("size", "raw", "why"),
    [
        (8, bytes(7), "7 are left"),
        (8, bytes(9), "1 bytes behind the JSON belong to no input"),
        (7, bytes(7), "has 8"),
        ("8", bytes(8), "says that it has 8 bytes"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(calling, size, raw, why) -> None:
    async def scenario(call, office):
        told = {"name": "distance", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": size}}
        body, headers = binary({"inputs": [told]}, raw)
        answer = await call("POST", INFER, body, **headers)
        assert (answer.status, why in answer.json["error"]) == (400, True), answer.json

    calling(scenario)


def test_the_server_and_its_models_are_described(calling) -> None:
    async def scenario(call, office):
        server = (await call("GET", "/v2")).json
        assert server["name"] == "noria"
        assert "binary_tensor_data" in server["extensions"]
        assert (await call("GET", "/v2/health/live")).json == {"live": True}
        assert (await call("GET", "/v2/health/ready")).json == {"ready": True}
        for path in ("/v2/models/late", "/v2/models/late/versions/1"):
            model = (await call("GET", path)).json
            assert (model["name"], model["versions"], model["platform"]) == ("late", ["1"], "noria")
            assert model["inputs"][1] == {"name": "distance", "datatype": "FP64", "shape": [-1, 1]}
            assert model["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [-1, 1]}
            assert (await call("GET", path + "/ready")).status == 200
            config = (await call("GET", path + "/config")).json
            assert config["input"][0] == {
                "name": "tail", "data_type": "TYPE_STRING", "format": "FORMAT_NONE", "dims": [1], "optional": False
            }  # fmt: skip

    calling(scenario)


def test_statistics_count_what_was_answered(calling) -> None:
    async def scenario(call, office):
        await call("POST", INFER, BOTH)
        for path in ("/v2/models/stats", "/v2/models/late/stats", "/v2/models/late/versions/1/stats"):
            (told,) = (await call("GET", path)).json["model_stats"]
            assert (told["name"], told["version"], told["inference_count"]) == ("late", "1", 2)
            assert told["inference_stats"]["success"]["count"] == 2

    calling(scenario)


def test_the_repository_is_told_and_not_changed(calling) -> None:
    async def scenario(call, office):
        for body in (b"", {}, {"ready": True}):
            index = (await call("POST", "/v2/repository/index", body)).json
            assert index == [{"name": "late", "version": "1", "state": "READY", "reason": ""}]
        assert (await call("POST", "/v2/repository/models/late/load", {})).status == 200
        assert (await call("POST", "/v2/repository/models/latte/load", {})).status == 404
        assert (await call("POST", "/v2/repository/models/late/unload", {})).status == 400

    calling(scenario)


@pytest.mark.parametrize("kind", ["system", "cuda"])
def test_shared_memory_is_refused(calling, kind) -> None:
    async def scenario(call, office):
        assert (await call("GET", f"/v2/{kind}sharedmemory/status")).json == []
        for path in ("unregister", "region/a/register", "region/a/unregister"):
            answer = await call("POST", f"/v2/{kind}sharedmemory/{path}", {})
            assert (answer.status, list(answer.json)) == (400, ["error"])

    calling(scenario)


@pytest.mark.parametrize(
    "path",
    ["/v2/models/latte", "/v2/models/latte/ready", "/v2/models/late/versions/9", "/v2/models/late/versions/one/ready", "/v2/nothing"],
)
def test_what_is_not_there_is_a_404_in_the_protocols_form(calling, path) -> None:
    async def scenario(call, office):
        answer = await call("GET", path)
        assert (answer.status, list(answer.json)) == (404, ["error"])

    calling(scenario)


def test_a_version_can_be_asked_for(calling) -> None:
    async def scenario(call, office):
        assert (await call("POST", "/v2/models/late/versions/1/infer", BOTH)).json["model_version"] == "1"
        assert (await call("POST", "/v2/models/late/versions/7/infer", BOTH)).status == 404
        assert (await call("POST", "/v2/models/latte/infer", b"{")).status == 404

    calling(scenario)


def test_a_model_that_fails_is_a_503(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", INFER, {"inputs": [TAIL, DISTANCE | {"data": [1.0, 666.0]}]})
        assert (answer.status, list(answer.json)) == (503, ["error"])

    calling(scenario)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8) | st.sampled_from(["tail", "FP32", "BYTES", "distance"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["inputs", "outputs", "name", "shape", "datatype", "data", "parameters", "binary_data_size", "classification", "id"]), inner, max_size=6
    ),
    max_leaves=25,
)  # fmt: skip


def test_no_document_is_a_fault_of_the_server(calling) -> None:
    async def scenario(call, office):
        loop = asyncio.get_running_loop()

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(JSON, st.integers(-2, 300), st.booleans())
        def fuzz(value, length, nested):
            document = {"inputs": [value, TAIL]} if nested else value
            headers = {"inference_header_content_length": str(length)} if length >= 0 else {}
            asking = call("POST", INFER, json.dumps(document).encode(), **headers)
            answer = asyncio.run_coroutine_threadsafe(asking, loop).result(20)
            assert answer.status < 500, (document, answer.body)
            assert answer.status == 200 or list(answer.json) == ["error"]

        await asyncio.to_thread(fuzz)

    calling(scenario)
