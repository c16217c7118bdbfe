"""Answers in pieces over gRPC, heard by Triton's own client."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from grpc import aio
from tritonclient.grpc import InferenceServerClient, InferInput

from noria.dataplane.grpc.messages import oip


class Words:
    streams = True

    def score(self, matrix):
        return matrix[:, 0] / 10_000

    def stream(self, inputs):
        for number in range(int(inputs["distance"])):
            if number == 5:
                raise ArithmeticError("that is enough")
            yield f"{inputs['tail']}{number}" if number else {"first": True}


@pytest.fixture
def streaming(listening, office):
    office.scorer = Words()
    return listening


def asked(distance: float, rows: int = 1) -> list[InferInput]:
    tail, far = InferInput("tail", [rows, 1], "BYTES"), InferInput("distance", [rows, 1], "FP64")
    tail.set_data_from_numpy(np.array([["N"]] * rows, dtype=object))
    far.set_data_from_numpy(np.full((rows, 1), distance))
    return [tail, far]


def heard_by_triton(address: str, requests: list[dict], expected: int) -> list:
    heard: list = []
    with InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: heard.append(error or result))
        for request in requests:
            client.async_stream_infer("late", **request)
        client.stop_stream()
    assert len(heard) == expected
    return heard


def test_each_piece_is_a_response_and_an_empty_one_ends_them_where_it_is_wanted(streaming) -> None:
    async def scenario(address, office):
        requests = [
            {"inputs": asked(3.0), "request_id": "a", "enable_empty_final_response": True},
            {"inputs": asked(1.0), "request_id": "b"},
            {"inputs": asked(2_000.0, rows=2), "request_id": "c"},
        ]
        *pieces, end, other, whole = await asyncio.to_thread(heard_by_triton, address, requests, 6)
        assert [one.as_numpy("piece").tolist() for one in pieces] == [[[b'{"first":true}']], [[b"N1"]], [[b"N2"]]]
        assert {one.get_response().id for one in pieces} == {"a"}
        assert not any(one.get_response().parameters["triton_final_response"].bool_param for one in pieces)
        assert end.get_response().parameters["triton_final_response"].bool_param
        assert other.get_response().id == "b"
        assert whole.as_numpy("prediction").tolist() == [[0.2], [0.2]]
        rows = {row.request_id: row for row in office.journal.predictions()}
        assert (rows["a"].answer, rows["b"].answer, rows["c-0"].answer) == (3.0, 1.0, 0.2)

    streaming(scenario)


def test_a_failure_midway_is_told_and_the_stream_goes_on(streaming) -> None:
    async def scenario(address, office):
        heard = await asyncio.to_thread(heard_by_triton, address, [{"inputs": asked(9.0)}, {"inputs": asked(1.0)}], 7)
        assert "ArithmeticError: that is enough" in str(heard[5])
        assert heard[6].as_numpy("piece").tolist() == [[b'{"first":true}']]

    streaming(scenario)


def test_a_caller_who_leaves_ends_the_answer(streaming, office) -> None:
    office.scorer.stream = lambda inputs: iter(range(10**9))

    async def scenario(address, office):
        request = oip["ModelInferRequest"](model_name="late")
        request.inputs.add(name="tail", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"N")
        request.inputs.add(name="distance", datatype="FP64", shape=[1]).contents.fp64_contents.append(1.0)
        async with aio.insecure_channel(address) as channel:
            call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")()
            await call.write(request.SerializeToString())
            said = oip["ModelStreamInferResponse"].FromString(await call.read())
            assert list(said.infer_response.outputs[0].contents.bytes_contents) == [b"0"]
            call.cancel()
            while not office.journal.frames:
                await asyncio.sleep(0.01)
        (row,) = office.journal.predictions()
        assert row.served["complete"] is False

    streaming(scenario)
