"""The Open Inference Protocol over gRPC, asked by Triton's own client and by bare gRPC."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest
from grpc import aio
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException

from noria.core.access import Admission, Doors, new_key
from noria.core.ids import digest_of
from noria.dataplane.grpc.messages import oip
from noria.dataplane.guard import Guard
from noria.dataplane.limits import RequestLimits

DISTANCES = np.array([[1_000.0], [2_000.0]])
TAILS = np.array([["N1"], ["N2"]], dtype=object)


def asked(rows: int = 2) -> list[InferInput]:
    tail, distance = InferInput("tail", [rows, 1], "BYTES"), InferInput("distance", [rows, 1], "FP64")
    tail.set_data_from_numpy(TAILS[:rows])
    distance.set_data_from_numpy(DISTANCES[:rows])
    return [tail, distance]


async def bare(address: str, method: str, request, *, metadata=(), kind: str | None = None):
    """One call without any client library; the answer, or the status and its text."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    async with aio.insecure_channel(address) as channel:
        try:
            said = await channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(data, metadata=metadata)
        except aio.AioRpcError as error:
            return error.code(), error.details()
    return oip[kind or f"{method}Response"].FromString(said)


def typed(*distances: float, name: str = "late", **changes):
    request = oip["ModelInferRequest"](model_name=name, **changes)
    request.inputs.add(name="tail", datatype="BYTES", shape=[len(distances), 1]).contents.bytes_contents.extend([b"N1"] * len(distances))
    request.inputs.add(name="distance", datatype="FP64", shape=[len(distances)]).contents.fp64_contents.extend(distances)
    return request


def test_tritons_client_is_answered_whatever_it_asks(listening) -> None:
    async def scenario(address, office):
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("late")
            assert not await client.is_model_ready("latte")
            assert (await client.get_server_metadata()).name == "noria"
            told = await client.get_model_metadata("late", as_json=True)
            assert told["inputs"] == [
                {"name": "tail", "datatype": "BYTES", "shape": ["-1", "1"]},
                {"name": "distance", "datatype": "FP64", "shape": ["-1", "1"]},
            ]
            assert [output["name"] for output in told["outputs"]] == ["prediction", "label"]
            config = (await client.get_model_config("late", as_json=True))["config"]
            assert [(one["name"], one["data_type"]) for one in config["input"]] == [("tail", "TYPE_STRING"), ("distance", "TYPE_FP64")]
            answer = await client.infer("late", asked(), request_id="mine")
            assert answer.as_numpy("prediction").tolist() == [[pytest.approx(0.11)], [pytest.approx(0.21)]]
            assert answer.as_numpy("label").tolist() == [[b"on-time"], [b"on-time"]]
            assert (answer.get_response().id, answer.get_response().model_version) == ("mine", "1")
            one = await client.infer("late", asked(), outputs=[InferRequestedOutput("label", class_count=0)])
            assert [output.name for output in one.get_response().outputs] == ["label"]
            index = await client.get_model_repository_index(as_json=True)
            assert index["models"] == [{"name": "late", "version": "1", "state": "READY"}]
            stats = await client.get_inference_statistics("late", as_json=True)
            assert stats["model_stats"][0]["inference_count"] == "4"
            await client.load_model("late")
            with pytest.raises(InferenceServerException, match="FAILED_PRECONDITION"):
                await client.unload_model("late")
            with pytest.raises(InferenceServerException, match="UNIMPLEMENTED"):
                await client.get_log_settings()

    listening(scenario)


def test_tritons_blocking_client_is_answered_zipped_and_on_a_stream(listening) -> None:
    def block(address):
        heard = []
        with InferenceServerClient(address) as client:
            zipped = client.infer("late", asked(), compression_algorithm="gzip").as_numpy("prediction").tolist()
            client.start_stream(lambda result, error: heard.append(error or result.as_numpy("prediction").tolist()))
            for name in ("late", "latte", "late"):
                client.async_stream_infer(name, asked(1))
            client.stop_stream()
        return zipped, heard

    async def scenario(address, office):
        zipped, heard = await asyncio.to_thread(block, address)
        assert zipped == [[pytest.approx(0.11)], [pytest.approx(0.21)]]
        assert heard[0] == heard[2] == [[pytest.approx(0.11)]]
        assert "there is no deployment 'latte'" in str(heard[1])

    listening(scenario)


def test_typed_contents_are_answered_typed(listening) -> None:
    async def scenario(address, office):
        said = await bare(address, "ModelInfer", typed(1_000.0, 2_000.0, id="batch"))
        assert list(said.outputs[0].contents.fp64_contents) == [pytest.approx(0.11), pytest.approx(0.21)]
        assert list(said.outputs[1].contents.bytes_contents) == [b"on-time", b"on-time"]
        assert not said.raw_output_contents
        assert [row.request_id for row in office.journal.predictions()] == ["batch-0", "batch-1"]

    listening(scenario)


def test_many_calls_at_once_are_each_answered_once(listening) -> None:
    async def scenario(address, office):
        async with aio.insecure_channel(address) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            answers = await asyncio.gather(*(infer(typed(float(n)).SerializeToString()) for n in range(50)))
        assert len(set(answers)) == 50
        assert sum(office.scorer.calls) == 50

    listening(scenario)


def mixed():
    request = typed(1.0)
    request.raw_input_contents.extend([b"\2\0\0\0N1", bytes(8)])
    return request


def wrong_list():
    request = typed(1.0)
    request.inputs[1].contents.fp32_contents.append(1.0)
    return request


def half():
    request = typed(1.0)
    request.inputs[1].datatype = "FP16"
    return request


def cut_short():
    request = typed(1.0)
    request.ClearField("inputs")
    request.inputs.add(name="distance", datatype="FP64", shape=[1])
    request.raw_input_contents.append(b"123")
    return request


def unknown_output():
    request = typed(1.0)
    request.outputs.add(name="prophecy")
    return request


@pytest.mark.parametrize(
    ("method", "request_", "status", "said"),
    [
        ("ModelInfer", typed(1.0, name="latte"), grpc.StatusCode.NOT_FOUND, "there are: late"),
        ("ModelInfer", typed(1.0, model_version="7"), grpc.StatusCode.NOT_FOUND, "version 7"),
        ("ModelInfer", typed(1.0, model_version="newest"), grpc.StatusCode.NOT_FOUND, "whole numbers"),
        ("ModelInfer", oip["ModelInferRequest"](model_name="late"), grpc.StatusCode.INVALID_ARGUMENT, "no inputs"),
        ("ModelInfer", typed(float("nan")), grpc.StatusCode.INVALID_ARGUMENT, "distance"),
        ("ModelInfer", typed(*[1.0] * 1_001), grpc.StatusCode.INVALID_ARGUMENT, "at most 1,000"),
        ("ModelInfer", mixed(), grpc.StatusCode.INVALID_ARGUMENT, "send one of the two"),
        ("ModelInfer", wrong_list(), grpc.StatusCode.INVALID_ARGUMENT, "fp64_contents"),
        ("ModelInfer", half(), grpc.StatusCode.INVALID_ARGUMENT, "raw_input_contents alone"),
        ("ModelInfer", cut_short(), grpc.StatusCode.INVALID_ARGUMENT, "3 bytes"),
        ("ModelInfer", unknown_output(), grpc.StatusCode.INVALID_ARGUMENT, "prophecy"),
        ("ModelInfer", b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "no ModelInferRequest"),
        ("ModelInfer", typed(666.0), grpc.StatusCode.UNAVAILABLE, "could not answer"),
        ("ModelMetadata", oip["ModelMetadataRequest"](name="latte"), grpc.StatusCode.NOT_FOUND, "there are: late"),
        ("ModelMetadata", oip["ModelMetadataRequest"](name="late", version="9"), grpc.StatusCode.NOT_FOUND, "version 9"),
        ("RepositoryModelLoad", oip["RepositoryModelLoadRequest"](model_name="latte"), grpc.StatusCode.NOT_FOUND, "latte"),
        ("TraceSetting", b"", grpc.StatusCode.UNIMPLEMENTED, ""),
    ],
)
def test_what_cannot_be_answered_says_why(listening, method, request_, status, said) -> None:
    async def scenario(address, office):
        code, details = await bare(address, method, request_)
        assert code is status
        assert said in details

    listening(scenario)


def test_a_fault_of_the_server_itself_is_no_traceback(listening, monkeypatch, caplog) -> None:
    async def scenario(address, office):
        monkeypatch.setattr(office.desk, "predict", None)
        code, details = await bare(address, "ModelInfer", typed(1.0))
        assert code is grpc.StatusCode.INTERNAL
        assert "NoneType" not in details
        assert "NoneType" in caplog.text

    listening(scenario)


def test_with_a_token_only_health_is_open(listening) -> None:
    async def scenario(address, office):
        assert (await bare(address, "ServerLive", b"")).live
        assert (await bare(address, "ModelInfer", typed(1.0)))[0] is grpc.StatusCode.UNAUTHENTICATED
        wrong = [("authorization", "Bearer wrong")]
        assert (await bare(address, "ModelInfer", typed(1.0), metadata=wrong))[0] is grpc.StatusCode.UNAUTHENTICATED
        right = [("authorization", "Bearer secret")]
        assert (await bare(address, "ModelInfer", typed(1.0), metadata=right)).outputs
        async with triton_aio.InferenceServerClient(address) as client:
            answer = await client.infer("late", asked(), headers={"authorization": "Bearer secret"})
            assert answer.as_numpy("label") is not None

    listening(scenario, token="secret")


def test_a_key_opens_its_deployment_and_no_other(listening) -> None:
    (key, id), guard = new_key(), Guard(everywhere=False)
    guard.doors = Doors(deployments={"late": {id: Admission(digest=digest_of(key.encode()))}})

    async def scenario(address, office):
        assert (await bare(address, "ModelInfer", typed(1.0)))[0] is grpc.StatusCode.UNAUTHENTICATED
        for metadata in ([("authorization", f"Bearer {key}")], [("x-api-key", key)]):
            assert (await bare(address, "ModelInfer", typed(1.0), metadata=metadata)).outputs
        assert (await bare(address, "ModelMetadata", oip["ModelMetadataRequest"](name="late")))[0] is grpc.StatusCode.UNAUTHENTICATED
        assert (await bare(address, "ServerMetadata", b"")).name

    listening(scenario, guard=guard)


def test_a_message_that_is_too_large_is_refused(listening) -> None:
    async def scenario(address, office):
        code, _ = await bare(address, "ModelInfer", typed(*[1.0] * 1_001))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED

    listening(scenario, limits=RequestLimits(body_bytes=10_000))


def test_a_deployment_that_is_over_its_share_is_refused_and_health_is_not(listening) -> None:
    async def scenario(address, office):
        code, said = await bare(address, "ModelInfer", typed(1.0))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "share" in said
        assert (await bare(address, "ServerReady", b"")).ready

    listening(scenario, limits=RequestLimits(in_flight_per_deployment=0))
