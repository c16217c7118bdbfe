"""MLServer's own types and codecs, over HTTP, against a data plane that runs as a process."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import httpx
import numpy as np
import pytest

mlserver = pytest.importorskip("mlserver")
pd = pytest.importorskip("pandas")
codecs = pytest.importorskip("mlserver.codecs")

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


def answered(url: str, model: str, request):
    answer = httpx.post(f"{url}/v2/models/{model}/infer", json=request.model_dump(exclude_none=True))
    assert answer.status_code == 200, answer.text
    return mlserver.types.InferenceResponse.model_validate_json(answer.content)


def test_arrays_are_answered(url) -> None:
    response = answered(url, "price", codecs.NumpyRequestCodec.encode_request(ROWS))
    assert codecs.NumpyRequestCodec.decode_response(response)[:, 0] == pytest.approx(PRICES)


def test_tables_are_answered(url) -> None:
    table = pd.DataFrame({"a": ROWS[:, 0], "b": ROWS[:, 1], "city": pd.Series(["Bonn", "Zürich"], dtype=object)})
    response = answered(url, "churn", codecs.PandasCodec.encode_request(table, use_bytes=False))
    told = codecs.PandasCodec.decode_response(response)
    assert list(told.columns) == ["prediction", "label"]
    assert told["label"].isin(["stays", "leaves"]).all()
    assert ((told["prediction"] >= 0.5) == (told["label"] == "leaves")).all()


def test_texts_of_each_codec_are_read(url) -> None:
    numbers = [codecs.NumpyCodec.encode_input(name, ROWS[:, at]) for at, name in enumerate("ab")]
    whole = []
    for text in (
        codecs.StringCodec.encode_input("city", ["Bonn", "Zürich"], use_bytes=False),
        codecs.Base64Codec.encode_input("city", [b"Bonn", "Zürich".encode()], use_bytes=False),
    ):
        response = answered(url, "churn", mlserver.types.InferenceRequest(id="mine", inputs=[*numbers, text]))
        assert response.id == "mine"
        whole.append(response.outputs[0].data.root)
    assert whole[0] == whole[1]


def test_metadata_and_errors_are_understood(url) -> None:
    told = mlserver.types.MetadataModelResponse.model_validate_json(httpx.get(f"{url}/v2/models/price").content)
    assert [one.name for one in told.inputs] == ["a", "b", "c"]
    server = mlserver.types.MetadataServerResponse.model_validate_json(httpx.get(f"{url}/v2").content)
    assert server.name == "noria"
    index = httpx.post(f"{url}/v2/repository/index", json={"ready": True})
    assert len(mlserver.types.RepositoryIndexResponse.model_validate_json(index.content).root) == 3
    refused = httpx.post(f"{url}/v2/models/nothing/infer", json={"inputs": []})
    assert refused.status_code == 404
    assert "nothing" in mlserver.types.InferenceErrorResponse.model_validate_json(refused.content).error
