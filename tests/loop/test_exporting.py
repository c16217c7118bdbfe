"""A version taken out as a folder answers by itself: in a clean environment, without its home, under every platform's contract."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import noria as nr
from noria.adapters.lmdb import Lmdb
from noria.app.exporting import export
from noria.app.settings import Settings
from noria.core.errors import NotAllowed, NotFound
from noria.core.moments import to_ms
from noria.core.registry import ModelVersion
from noria.loop.keys import KeyVerbs

ROW = {"order": "o1", "at": "2024-02-01T12:00:00Z", "city": "ulm", "a": 0.5, "b": -0.5}
SOURCES = str(Path(nr.__file__).parents[1])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(folder: Path, *command: str, health: str, port: int, **environ: str):
    """A process of the folder, in an environment that knows of nothing else."""
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    env = {"PATH": path, "PYTHONPATH": SOURCES, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environ}
    process = subprocess.Popen(command, env=env, cwd="/")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            deadline = time.monotonic() + 60
            while True:
                try:
                    if client.get(health).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert process.poll() is None and time.monotonic() < deadline, "the export did not get ready"
                time.sleep(0.05)
            yield client
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_an_export_answers_by_itself_under_every_contract(noria, tmp_path):
    one = noria()
    one.be_born()
    one.day()
    settings, folder = Settings(home=str(one.world.home)), tmp_path / "image"
    secret, _ = KeyVerbs(one.world).add("orders", note="a", by="test")
    exported = export(one.world, settings, "orders", folder, by="test")
    assert (exported.version, exported.keys) == (1, 1)
    assert exported.online_rows == 2
    assert exported.size_bytes == sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) - (folder / "export.json").stat().st_size
    assert one.events("version.exported")[0].by == "test"
    code = one.world.documents.find(ModelVersion, where={"model": "orders"})[0].code
    copied = Lmdb(folder / "online.lmdb", map_size=1 << 24).read(f"orders/{code[7:19]}/heat", ["ulm", "bonn"])
    assert copied == one.world.online.read(f"orders/{code[7:19]}/heat", ["ulm", "bonn"]) and all(copied)

    served = one.desk._open["orders"].champion.served
    expected = served.answer([ROW], to_ms(one.clock.at.replace(year=2026)))[0][0]
    away = one.world.home.with_name("away")
    one.world.home.rename(away)
    try:
        record = {"dataframe_records": [ROW]}
        port = free_port()
        with running(folder, str(folder / "serve"), health="/ping", port=port, SAGEMAKER_BIND_TO_PORT=str(port)) as sagemaker:
            answer = sagemaker.post("/invocations", json=record)
            assert answer.json()["predictions"][0]["prediction"] == pytest.approx(expected)
            assert sagemaker.post("/predict/orders", json={"inputs": ROW}).status_code == 401
            told = sagemaker.post("/predict/orders", json={"inputs": ROW}, headers={"x-api-key": secret})
            assert told.json()["prediction"] == pytest.approx(expected)
            assert sagemaker.get("/plan").status_code == 401
        port = free_port()
        routes = {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": "/well", "AIP_PREDICT_ROUTE": "/v1/endpoints/7:predict"}
        with running(folder, str(folder / "serve"), health="/well", port=port, **routes) as vertex:
            answer = vertex.post("/v1/endpoints/7:predict", json={"instances": [ROW]})
            assert answer.json()["predictions"][0]["prediction"] == pytest.approx(expected)
        port = free_port()
        command = (sys.executable, "-m", "noria.cli.main", "serve", str(folder))
        with running(folder, *command, health="/health/ready", port=port, NORIA_SERVE_PORT=str(port)) as plain:
            assert plain.post("/invocations", json=record, headers={"authorization": f"Bearer {secret}"}).status_code == 200
            assert plain.post("/invocations", json=record).status_code == 401
    finally:
        away.rename(one.world.home)
    assert any((folder / "journal").iterdir())
    with pytest.raises(NotAllowed):
        export(one.world, settings, "orders@1", folder, by="test")


def test_what_is_not_there_is_not_exported(noria, tmp_path):
    one = noria()
    one.be_born()
    settings = Settings(home=str(one.world.home))
    for wanted in ("orders@7", "orders@challenger", "nobody", "orders@"):
        if wanted == "orders@":
            export(one.world, settings, wanted, tmp_path / "fine", by="test")
            continue
        with pytest.raises(NotFound):
            export(one.world, settings, wanted, tmp_path / "none", by="test")
    one.world.blobs._place(one.world.documents.find(ModelVersion)[0].candidate.artifact).unlink()
    with pytest.raises(NotFound):
        export(one.world, settings, "orders", tmp_path / "none", by="test")
    assert not [file.name for file in tmp_path.iterdir() if "none" in file.name]
