"""KServe's own REST clients, V1 and V2, against a data plane that runs as a process."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import numpy as np
import pytest

kserve = pytest.importorskip("kserve")

_spec = importlib.util.spec_from_file_location("inference_process", Path(__file__).with_name("inference_process.py"))
process = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(process)

ROWS = np.array([[0.5, -1.0, 1.0], [-0.5, 2.0, 0.0]])
PRICES = ROWS @ [1.0, -2.0, 3.0] + 4.0


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    process.make_home(home)
    running, address = process.start(home)
    yield f"http://{address}"
    running.terminate()
    running.wait(20)


def asked(protocol: str, scenario) -> None:
    async def whole():
        async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol=protocol)) as client:
            await scenario(client)

    asyncio.run(whole())


def test_v1_is_answered(url) -> None:
    async def scenario(client):
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, "price")
        answer = await client.infer(url, {"instances": ROWS.tolist()}, model_name="price")
        assert answer["predictions"] == pytest.approx(PRICES.tolist())
        with pytest.raises(Exception, match=r"b is missing.*400"):
            await client.infer(url, {"instances": [{"a": 1.0}]}, model_name="price")
        with pytest.raises(Exception, match=r"no deployment 'nothing'.*404"):
            await client.infer(url, {"instances": ROWS.tolist()}, model_name="nothing")

    asked("v1", scenario)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("request_id", [None, "mine"])
def test_v2_is_answered(url, binary, request_id) -> None:
    async def scenario(client):
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "price")
        assert not await client.is_model_ready(url, "nothing")
        tensor = kserve.InferInput("x", list(ROWS.shape), "FP64")
        tensor.set_data_from_numpy(ROWS, binary_data=binary)
        parameters = {"binary_data_output": True} if binary else None
        request = kserve.InferRequest("price", [tensor], request_id=request_id, parameters=parameters)
        answer = await client.infer(url, request, model_name="price")
        assert answer.model_name == "price"
        assert request_id in (None, answer.id)
        assert answer.outputs[0].as_numpy()[:, 0] == pytest.approx(PRICES)
        with pytest.raises(Exception, match=r"no deployment 'nothing'.*404"):
            await client.infer(url, request, model_name="nothing")

    asked("v2", scenario)
