"""Triton's own clients, unmodified, against a data plane that runs as a process."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import numpy as np
import pytest

http = pytest.importorskip("tritonclient.http", exc_type=ImportError)
aio = pytest.importorskip("tritonclient.http.aio", exc_type=ImportError)
ml_dtypes = pytest.importorskip("ml_dtypes")
utils = pytest.importorskip("tritonclient.utils")

_spec = importlib.util.spec_from_file_location("inference_process", Path(__file__).with_name("inference_process.py"))
process = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(process)

ROWS = np.array([[0.5, -1.0, 1.0], [-0.5, 2.0, 0.0], [1.5, 0.0, 1.0]])
PRICES = ROWS @ [1.0, -2.0, 3.0] + 4.0


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    process.make_home(home)
    running, address = process.start(home)
    yield address
    running.terminate()
    running.wait(20)


@pytest.fixture
def client(address):
    client = http.InferenceServerClient(address, concurrency=4)
    yield client
    client.close()


def given(name: str, values: np.ndarray, *, binary: bool = True, library=http, datatype: str = ""):
    made = library.InferInput(name, list(values.shape), datatype or utils.np_to_triton_dtype(values.dtype))
    return made.set_data_from_numpy(values, binary_data=binary)


def matrix(dtype=np.float64, **how):
    return [given("x", ROWS.astype(dtype), **how)]


def fields(*, binary: bool = True):
    return [
        given("a", ROWS[:, :1], binary=binary),
        given("b", ROWS[:, 1].astype(np.float32), binary=binary),
        given("city", np.array([["Bonn"], ["Zürich"], ["Rome"]], dtype=object), binary=binary),
    ]


def test_the_server_is_live_and_ready(client) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("price") and client.is_model_ready("price", "3")
    assert not client.is_model_ready("nothing")
    assert not client.is_model_ready("price", "4")
    assert client.get_server_metadata()["name"] == "noria"


def test_models_are_described(client) -> None:
    told = client.get_model_metadata("kind")
    assert (told["name"], told["versions"]) == ("kind", ["3"])
    assert told["inputs"][0] == {"name": "a", "datatype": "FP64", "shape": [-1, 1]}
    assert told["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [-1, 3]}
    assert client.get_model_config("kind")["max_batch_size"] > 0
    assert {one["name"] for one in client.get_model_repository_index()} == {"churn", "kind", "price"}
    client.load_model("kind")
    with pytest.raises(utils.InferenceServerException, match="not unloaded"):
        client.unload_model("kind")
    with pytest.raises(utils.InferenceServerException, match="no deployment 'nothing'"):
        client.load_model("nothing")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_a_matrix_of_any_floats_is_answered(client, dtype) -> None:
    answer = client.infer("price", matrix(dtype))
    assert answer.as_numpy("prediction").shape == (3, 1)
    assert answer.as_numpy("prediction")[:, 0] == pytest.approx(PRICES, abs=1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64])
def test_whole_numbers_of_any_size_are_answered(client, dtype) -> None:
    rows = np.abs(np.trunc(ROWS))
    answer = client.infer("price", [given("x", rows.astype(dtype))])
    assert answer.as_numpy("prediction")[:, 0] == pytest.approx(rows @ [1.0, -2.0, 3.0] + 4.0, abs=1e-5)


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize(("request_coding", "response_coding"), [(None, None), ("gzip", "gzip"), ("deflate", "deflate")])
def test_json_and_bytes_packed_and_unpacked_say_the_same(client, binary_in, binary_out, request_coding, response_coding) -> None:
    outputs = [http.InferRequestedOutput(name, binary_data=binary_out) for name in ("label", "prediction")]
    answer = client.infer(
        "churn", fields(binary=binary_in), outputs=outputs, request_id="mine",
        request_compression_algorithm=request_coding, response_compression_algorithm=response_coding,
    )  # fmt: skip
    whole = client.infer("churn", fields())
    assert answer.get_response()["id"] == "mine"
    assert [one["name"] for one in answer.get_response()["outputs"]] == ["label", "prediction"]
    assert answer.as_numpy("prediction").tolist() == whole.as_numpy("prediction").tolist()
    labels = [one.decode() if isinstance(one, bytes) else one for one in answer.as_numpy("label").ravel().tolist()]
    assert labels == ["leaves" if share >= 0.5 else "stays" for share in whole.as_numpy("prediction").ravel()]


def test_classes_are_counted_out(client) -> None:
    answer = client.infer("kind", matrix(), outputs=[http.InferRequestedOutput("prediction", class_count=2)])
    (first, second) = (one.decode().split(":") for one in answer.as_numpy("prediction")[2])
    assert first[1:] == ["2", "high"]
    assert float(first[0]) > float(second[0])


def test_a_version_is_asked_for(client) -> None:
    assert client.infer("price", matrix(), model_version="3").get_response()["model_version"] == "3"
    with pytest.raises(utils.InferenceServerException, match="version 4 of 'price' is not at work") as caught:
        client.infer("price", matrix(), model_version="4")
    assert caught.value.status() == "404"


def test_many_calls_at_once_are_answered(client) -> None:
    asked = [client.async_infer("price", [given("x", ROWS[at % 3 : at % 3 + 1])]) for at in range(40)]
    assert [one.get_result().as_numpy("prediction")[0, 0] for one in asked] == pytest.approx([PRICES[at % 3] for at in range(40)], abs=1e-5)


def test_what_does_not_fit_is_a_400_with_its_reason(client) -> None:
    for inputs, why in (
        ([given("x", ROWS[:, :2])], "model takes one of shape"),
        ([given("a", ROWS[:, :1])], "b is missing"),
        ([given("a", np.array([["x"]], dtype=object)), given("b", ROWS[:1, :1])], "must be a number, not text"),
        ([given("x", np.full((1, 3), np.nan))], "must be finite"),
    ):
        with pytest.raises(utils.InferenceServerException, match=why) as caught:
            client.infer("price", inputs)
        assert caught.value.status() == "400"
    with pytest.raises(utils.InferenceServerException, match="there are prediction") as caught:
        client.infer("price", matrix(), outputs=[http.InferRequestedOutput("score")])
    with pytest.raises(utils.InferenceServerException, match="no deployment") as caught:
        client.infer("nothing", matrix())
    assert caught.value.status() == "404"


def test_shared_memory_and_settings_are_refused_cleanly(client) -> None:
    assert client.get_system_shared_memory_status() == []
    assert client.get_cuda_shared_memory_status() == []
    assert client.get_log_settings() == {}
    assert client.get_trace_settings() == {}
    for refused in (
        lambda: client.register_system_shared_memory("r", "/k", 8),
        lambda: client.unregister_system_shared_memory("r"),
        lambda: client.update_log_settings({"log_verbose_level": 1}),
        lambda: client.update_trace_settings("price", {"trace_rate": "1"}),
    ):
        with pytest.raises(utils.InferenceServerException) as caught:
            refused()
        assert caught.value.status() == "400"


def test_statistics_are_counted(client) -> None:
    client.infer("price", matrix())
    (told,) = client.get_inference_statistics("price")["model_stats"]
    assert told["inference_stats"]["success"]["count"] >= 3
    assert len(client.get_inference_statistics()["model_stats"]) == 3


def test_an_outcome_is_told_for_the_callers_id(client, address) -> None:
    import httpx

    client.infer("price", matrix(), request_id="order-7")
    told = httpx.post(f"http://{address}/feedback/price", json={"outcomes": [{"id": "order-7-1", "value": 3.5}]})
    assert told.json() == {"accepted": 1}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_the_client_of_asyncio_is_answered(address, binary, coding) -> None:
    async def scenario():
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("price")
            assert (await client.get_model_metadata("price"))["name"] == "price"
            assert (await client.get_model_config("price"))["name"] == "price"
            assert len(await client.get_model_repository_index()) == 3
            answers = await asyncio.gather(
                *(
                    client.infer(
                        "price", [given("x", ROWS, binary=binary, library=aio)],
                        outputs=[aio.InferRequestedOutput("prediction", binary_data=binary)],
                        request_compression_algorithm=coding, response_compression_algorithm=coding,
                    )
                    for _ in range(5)
                )
            )  # fmt: skip
            for answer in answers:
                assert answer.as_numpy("prediction")[:, 0] == pytest.approx(PRICES, abs=1e-5)
            with pytest.raises(utils.InferenceServerException, match="no deployment"):
                await client.infer("nothing", [given("x", ROWS, library=aio)])

    asyncio.run(scenario())
