"""Both servers of a home behind a certificate of its own, as real processes, and the commands that ask them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import grpc
import httpx
import pytest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def certify(folder: Path, name: str) -> None:
    """A new certificate for this machine, in the place of the one before."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-nodes"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, "-keyout", str(folder / "new.key"), "-out", str(folder / "new.pem")], check=True, capture_output=True)
    (folder / "new.key").rename(folder / "key.pem")
    (folder / "new.pem").rename(folder / "cert.pem")


def until(true, what: str):
    deadline = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.05)
    return found


def live(url: str, folder: Path) -> bool:
    try:
        return httpx.get(f"{url}/health/live", verify=ssl.create_default_context(cafile=folder / "cert.pem")).status_code == 200
    except httpx.TransportError:
        return False


def test_both_servers_speak_tls_and_a_renewed_certificate_is_shown(tmp_path) -> None:
    certify(tmp_path, "first")
    ports = {"PORT": free_port(), "SERVE_PORT": free_port(), "GRPC_PORT": free_port()}
    environ = os.environ | {f"NORIA_{name}": str(port) for name, port in ports.items()}
    environ |= {"NORIA_TLS_CERT": "cert.pem", "NORIA_TLS_KEY": "key.pem", "NORIA_HOME": str(tmp_path)}
    (tmp_path / "settings.json").write_text("{}")
    started = [
        subprocess.Popen([sys.executable, "-m", module, str(tmp_path)], env=environ) for module in ("noria.dataplane", "noria.server")
    ]
    try:
        plane, control = (f"https://127.0.0.1:{ports[name]}" for name in ("SERVE_PORT", "PORT"))
        for url in (plane, control):
            until(lambda url=url: live(url, tmp_path), f"{url} to answer")
            with pytest.raises(httpx.TransportError):
                httpx.get(url.replace("https", "http") + "/health/live")
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/health/live")
        assert told(environ, "doctor")["answering"] == {"server": True, "dataplane": True}
        refused = told(environ, "predict", "nobody", "a=1")["error"]
        assert "CERTIFICATE" not in refused["message"] and refused["code"] != "noria"

        root = grpc.ssl_channel_credentials((tmp_path / "cert.pem").read_bytes())
        with grpc.secure_channel(f"localhost:{ports['GRPC_PORT']}", root) as channel:
            assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=20) == b"\x08\x01"

        certify(tmp_path, "second")
        until(lambda: live(plane, tmp_path), "the renewed certificate to be shown")
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def told(environ: dict[str, str], *command: str) -> dict:
    """What a command says as JSON."""
    ran = subprocess.run(
        [sys.executable, "-m", "noria.cli.main", *command, "--json"], env=environ, capture_output=True, text=True, timeout=60
    )
    return json.loads(ran.stdout)
