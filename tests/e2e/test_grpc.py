"""The data plane as a real process that speaks HTTP and gRPC over one desk."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

_spec = importlib.util.spec_from_file_location("test_dataplane", Path(__file__).with_name("test_dataplane.py"))
planes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(planes)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def plane(tmp_path):
    opened = planes.Plane(tmp_path)
    opened.publish()
    port, grpc_port = free_port(), free_port()
    opened.url, opened.grpc = f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}"
    opened.process = subprocess.Popen([sys.executable, str(planes.PROGRAM), "plane", str(tmp_path), str(port), str(grpc_port)])
    yield opened
    if opened.process.poll() is None:
        opened.process.kill()
        opened.process.wait()


def inputs() -> list[InferInput]:
    kinds = {"distance": ("FP64", np.float64)}
    found = []
    for name, value in planes.ROW.items():
        datatype, kind = kinds.get(name, ("BYTES", object))
        found.append(InferInput(name, [1, 1], datatype))
        found[-1].set_data_from_numpy(np.array([[value]], dtype=kind))
    return found


def test_both_ports_give_one_answer_and_a_quiet_end_journals_it(plane) -> None:
    client = InferenceServerClient(plane.grpc)
    for _ in range(600):
        try:
            if client.is_model_ready("late"):
                break
        except InferenceServerException:
            pass
        assert plane.process.poll() is None, "the data plane ended"
        time.sleep(0.05)
    spoken = client.infer("late", inputs(), request_id="by-grpc").as_numpy("prediction").item()
    assert spoken == httpx.post(f"{plane.url}/predict/late", json={"id": "by-http", "inputs": planes.ROW}).json()["prediction"]
    assert plane.counters()["logged"] == 2
    client.close()
    assert plane.end(signal.SIGTERM) == 0
    assert set(plane.logged()[0]["request_id"]) == {"by-grpc", "by-http"}
