"""Hostile bodies, headers and bytes over every protocol: never a 500, always the protocol's own words, and the counters add up."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import importlib.util
import json
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noria.dataplane.answers.files import AnswerFiles
from noria.dataplane.answers.jobs import Jobs
from noria.dataplane.grpc.messages import oip
from noria.dataplane.grpc.server import listen as listen_grpc
from noria.dataplane.http import create_house, create_router
from noria.dataplane.limits import RequestLimits
from noria.dataplane.listening import listen
from noria.dataplane.ports import listening

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "250"))
"""`FUZZ_EXAMPLES=20000` looks longer, each time elsewhere."""

_spec = importlib.util.spec_from_file_location("serving_fakes_of_fuzz", Path(__file__).parents[1] / "stages" / "serving" / "conftest.py")
_fakes = importlib.util.module_from_spec(_spec)
sys.modules["serving_fakes_of_fuzz"] = _fakes
_spec.loader.exec_module(_fakes)

ROW = {"tail": "N1", "distance": 1_000.0}
VALID: list[Any] = [
    {"inputs": ROW},
    {"id": "mine", "inputs": ROW},
    {"rows": [{"inputs": ROW}, {"id": "b", "inputs": ROW}]},
    {"inputs": ROW, "explain": True},
    {"outcomes": [{"id": "a", "value": "late", "time": "2026-03-01T00:00:00Z", "metrics": {"gain": 1.5}}]},
    {"dataframe_split": {"columns": ["tail", "distance"], "data": [["N1", 1.0]]}, "params": {"ids": ["a"], "version": 1}},
    {"dataframe_records": [ROW]},
    {"instances": [ROW, ["N1", 2.0]]},
    {"inputs": {"tail": ["N1"], "distance": [1.0]}},
    {"input_data": [ROW]},
    {"model_name": "late", "url": "/opt/ml/models/late"},
    {
        "id": "mine",
        "inputs": [
            {"name": "tail", "shape": [1, 1], "datatype": "BYTES", "data": ["N1"], "parameters": {"content_type": "str"}},
            {"name": "distance", "shape": [1], "datatype": "FP32", "data": [1.0]},
        ],
        "outputs": [{"name": "label", "parameters": {"binary_data": True}}],
        "parameters": {"binary_data_output": True},
    },
]
KEYS = sorted(
    {"tail", "distance", "b64", "binary_data_size", "classification", "signature_name", "index", "label", "prediction"}
    | {key for one in VALID for key in one}
)
KINDS = ["application/json", "", "text/csv", "text/csv; header=absent", "application/jsonlines", "application/vnd.apache.parquet"]
KINDS += ["application/octet-stream", "application/json; charset=utf-16", "application/cloudevents+json", "a/b;;==", "text/csv; header"]
HEADERS = {
    "inference-header-content-length": ["0", "-1", "7", "99999999999999999999", "x", "1e3", "٣"],
    "content-encoding": ["gzip", "deflate", "br", "identity", "gzip, gzip"],
    "accept-encoding": ["gzip", "*;q=0", ";q=", "deflate;q=1"],
    "accept": ["text/csv", "application/jsonlines", "text/event-stream", ",,;q"],
    "authorization": ["Bearer", "Bearer nk_a_b", "Basic eDp5"],
    "x-noria-version": ["1", "0", "-1", "99", "x"],
    "x-noria-role": ["champion", "challenger", "king"],
    "x-noria-deployment": ["late", "nobody", ""],
    "x-amzn-sagemaker-inference-id": ["i", "i" * 300],
    "ce-specversion": ["1.0", "7"],
    "ce-id": ["1", ""],
    "ce-type": ["t"],
    "ce-source": ["s"],
    "x-request-id": ["r", "r" * 400],
    "prefer": ["respond-async", "wait=1"],
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["N1", "late", "FP32", "BYTES", "INT64", "NaN", "1e999", "\x00", "\ud7ff", "x" * 1_500, 10**400, -1, 0, 2**63]),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)), max_leaves=12
)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def changed(draw: Any) -> bytes:
    """A body that some protocol takes, with one thing in it another."""
    value = json.loads(dumped(draw(st.sampled_from(VALID))))
    holder, key = {"": value}, ""
    while draw(st.booleans()) and isinstance(holder[key], (dict, list)) and holder[key]:
        holder = holder[key]
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    if draw(st.booleans()):
        holder[key] = draw(values)
    elif isinstance(holder[key], dict):
        holder[key] = {**holder[key], draw(st.sampled_from(KEYS)): draw(values)}
    return dumped(value if holder.get("", value) is value else holder[""]) if isinstance(holder, dict) else dumped(value)


@st.composite
def broken(draw: Any) -> bytes:
    """Bytes that are nearly a body: cut, doubled, or with some bytes others."""
    body = bytearray(dumped(draw(st.sampled_from(VALID))) if draw(st.booleans()) else PARQUET)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(body)))
        body[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body)


def _parquet() -> bytes:
    import io

    out = io.BytesIO()
    pl.DataFrame({"tail": ["N1"], "distance": [1.0]}).write_parquet(out)
    return out.getvalue()


PARQUET = _parquet()
NESTED = [b'{"inputs":' * 5_000, b"[" * 20_000, b'{"instances":' + b"[" * 900 + b"]" * 900 + b"}", b'{"a":"' + b'\\"' * 5_000 + b"NaN"]
bodies = st.one_of(changed(), values.map(dumped), broken(), st.binary(max_size=60), st.sampled_from(NESTED), changed().map(gzip.compress))
heads = st.dictionaries(st.sampled_from(sorted(HEADERS)), st.integers(0, 9), max_size=2)


class Served:
    """A whole data plane over fakes, in a thread, spoken to over sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.office = _fakes.Office()
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self._run(),), daemon=True)
        self.thread.start()
        assert self.ready.wait(20)
        self.paths = self._paths()

    async def _run(self) -> None:
        self.office.open()
        await self.office.desk.apply(self.office.plan(challenger=2, challenger_share=0.3, shadow=True))
        limits = RequestLimits(body_bytes=50_000)
        jobs = Jobs(self.office.desk, AnswerFiles(self.folder), self.office.clock)
        self.house = create_house(self.office.desk, create_router(self.office.desk, limits=limits, jobs=jobs))
        self.grpc = await listen_grpc(self.office.desk, "127.0.0.1", 0)
        at = listening("127.0.0.1", 0, shared=False)
        self.port = at.getsockname()[1]
        self.ready.set()
        async with jobs.at_work():
            await listen(self.house, at, drain_s=1)
        await self.grpc.close(0)
        await self.office.desk.close()

    def _paths(self) -> list[str]:
        status, body = self.ask("GET", "/openapi.json")
        assert status == 200
        filled = []
        for path, said in json.loads(body)["paths"].items():
            if "post" in said:
                path = path.replace("{name}", "late").replace("{version}", "1").replace("{label}", "champion")
                filled.append(path.partition("{")[0] + ("x" if "{" in path else ""))
        assert len(filled) > 10
        return filled

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.request(method, path, body, {name: value.encode() for name, value in (headers or {}).items()})
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.house.end)
        self.thread.join(20)
        self.loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    at_work = Served(tmp_path_factory.mktemp("answers"))
    failures: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: failures.append(handler.format(record))
    logging.getLogger("noria.dataplane").addHandler(handler)
    yield at_work
    logging.getLogger("noria.dataplane").removeHandler(handler)
    counters = at_work.office.desk.counters()
    at_work.end()
    assert counters.requests == counters.logged + counters.sampled_out + counters.dropped
    assert not failures, failures[0]


def told_why(path: str, status: int, body: bytes) -> None:
    """An error is said as the path's protocol says it."""
    assert status != 500 and (status < 500 or status in (503, 504)), (path, status, body[:300])
    if status < 400:
        return
    said = json.loads(body)
    if path.startswith(("/v1", "/v2")):
        assert isinstance(said["error"], str) and said["error"], body
    elif path.startswith(("/invocations", "/score", "/models")):
        assert said["error_code"] and said["message"], body
    else:
        assert said["error"]["code"] not in ("", "noria") and said["error"]["message"], body
    assert b"Traceback" not in body and len(body) < 20_000


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 1_000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_body_is_a_fault_of_the_servers(served, data) -> None:
    path = data.draw(st.sampled_from(served.paths))
    headers = {name: HEADERS[name][place % len(HEADERS[name])] for name, place in data.draw(heads).items()}
    kind = data.draw(st.sampled_from(KINDS))
    if kind:
        headers["content-type"] = kind
    status, body = served.ask("POST", path, data.draw(bodies), headers)
    told_why(path, status, body)


@settings(max_examples=EXAMPLES // 2, deadline=None, derandomize=EXAMPLES < 1_000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_grpc_message_is_a_fault_of_the_servers(served, data) -> None:
    request = oip["ModelInferRequest"](model_name=data.draw(st.sampled_from(["late", "late", "late", "nobody"])), id="i")
    for name in data.draw(st.lists(st.sampled_from(["tail", "distance", "other"]), max_size=3)):
        datatype = data.draw(st.sampled_from(["BYTES", "FP64", "FP32", "INT64", "BOOL", "FP16", "?"]))
        tensor = request.inputs.add(
            name=name, datatype=datatype, shape=data.draw(st.lists(st.integers(-2, 5) | st.just(2**40), max_size=3))
        )
        tensor.contents.fp64_contents.extend(data.draw(st.lists(st.floats(), max_size=3)))
        tensor.contents.bytes_contents.extend(data.draw(st.lists(st.binary(max_size=4), max_size=3)))
    request.raw_input_contents.extend(data.draw(st.lists(st.binary(max_size=12), max_size=3)))
    sent = request.SerializeToString()
    if data.draw(st.integers(0, 4)) == 0:
        sent = sent[: data.draw(st.integers(0, len(sent)))] + data.draw(st.binary(max_size=6))
    with grpc.insecure_channel(f"127.0.0.1:{served.grpc.port}") as channel:
        try:
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(sent, timeout=20)
        except grpc.RpcError as error:
            assert error.code() not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED), error
            assert error.details()


@pytest.mark.parametrize("headers", [{}, {"prefer": "respond-async"}, {"content-encoding": "gzip"}, {"x-noria-version": "1"}])
@pytest.mark.parametrize("deep", NESTED, ids=range(len(NESTED)))
def test_a_body_that_is_nested_deeply_is_refused_on_every_path(served, headers, deep) -> None:
    body = gzip.compress(deep) if "content-encoding" in headers else deep
    for path in served.paths:
        told_why(path, *served.ask("POST", path, body, headers))


LINES = [b"POST /predict/late HTTP/1.1\r\n", b"GET /health/live HTTP/1.1\r\n", b"POST /invocations HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n"]
LINES += [
    b"GET //[%ff HTTP/1.1\r\n",
    b"POST http://h:1/v2/models/late/infer HTTP/1.1\r\n",
    b"CONNECT h:1 HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n",
]
SAID = [
    b"content-length: 5\r\n",
    b"content-length: -1\r\n",
    b"content-length: 5\r\ncontent-length: 6\r\n",
    b"transfer-encoding: chunked\r\n",
]
SAID += [
    b"expect: 100-continue\r\n",
    b"upgrade: h2c\r\nconnection: upgrade\r\n",
    b"connection: close\r\n",
    b"x: " + b"y" * 40_000 + b"\r\n",
    b": \r\n",
]
RESTS = [
    b"\r\n",
    b"\r\nhello",
    b"\r\n5\r\nhello\r\n0\r\n\r\n",
    b"\r\nffffffffffffffff\r\n",
    b"\r\n{}GET / HTTP/1.1\r\n\r\n",
    b"",
    b"\r\n\x00\xff",
]


@settings(max_examples=EXAMPLES // 2, deadline=None, derandomize=EXAMPLES < 1_000, suppress_health_check=list(HealthCheck))
@given(
    line=st.sampled_from(LINES) | st.binary(max_size=30),
    said=st.lists(st.sampled_from(SAID) | st.binary(max_size=12), max_size=3),
    rest=st.sampled_from(RESTS) | st.binary(max_size=30),
)
def test_no_bytes_hurt_the_server(served, line, said, rest) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as caller:
        caller.sendall(line + b"".join(said) + rest)
        caller.shutdown(socket.SHUT_WR)
        heard = b""
        try:
            while piece := caller.recv(65_536):
                heard += piece
        except ConnectionError:
            pass
    assert not heard or heard.startswith(b"HTTP/1.1 "), heard[:100]
    assert b"HTTP/1.1 500" not in heard, heard[:300]
    assert served.ask("GET", "/health/live")[0] == 200
