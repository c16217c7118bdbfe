"""A large file up to the control plane and down again: MB/s against a plain copy that counts a SHA-256, and the server's memory.

    python bench/artifacts.py [SIZE, such as 5GB; 1GB when left out]

By MLflow's own client (one request, and in parts) and by plain HTTP in parts of 64 MB. Every download is compared with the
file. Needs room for four copies in the temporary folder; the server runs in a process of its own with a home there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx

from noria.app.settings import Settings, keep
from noria.core.sizes import size_bytes

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))
from house import free_port

CHUNK = 1 << 20
PART = 64 << 20
CONNECTIONS = 4


def main(size: int) -> None:
    with tempfile.TemporaryDirectory(prefix="noria-artifacts-") as folder:
        place = Path(folder)
        file = place / "large.bin"
        block = os.urandom(CHUNK)
        with file.open("wb") as out:
            for n in range(0, size, CHUNK):
                out.write(n.to_bytes(8, "big") + block[8 : min(CHUNK, size - n)])
        digest = digest_of(file)
        limit = timed(lambda: copy(file, place / "copy"), size)
        (place / "copy").unlink()
        print(f"{size / 1e9:.2f} GB · a copy with its SHA-256 and an fsync: {limit:,.0f} MB/s = the limit\n")
        with Server(place / "home") as server:
            at_rest = server.rss_mb()
            print(f"{'':44} {'MB/s':>6} {'of limit':>9} {'server MB':>10}")
            for name, up, down in ways(server, file, place):
                for what, act in ((f"{name}: up", up), (f"{name}: down", down)):
                    speed = timed(act, size)
                    print(f"{what:44} {speed:6,.0f} {speed / limit:9.0%} {server.rss_mb():10.0f}")
                got = place / "out" / "large.bin"
                assert digest_of(got) == digest, name
                got.unlink()
            print(f"\nserver at rest {at_rest:.0f} MB, at most {server.peak_mb():.0f} MB")


def ways(server: Server, file: Path, place: Path) -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    """Each way's name, and how it goes up and down; every one is content of its own run."""
    os.environ.update(MLFLOW_TRACKING_URI=server.url, MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", GIT_PYTHON_REFRESH="quiet")
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client = MlflowClient(server.url)
    (place / "out").mkdir()

    def repository() -> tuple[str, object]:
        info = client.create_run("0").info
        return info.artifact_uri.removeprefix("mlflow-artifacts:/"), get_artifact_repository(info.artifact_uri)

    found = []
    for name, parts in (("MLflow's client, one request", "false"), ("MLflow's client, in parts", "true")):
        root, files = repository()

        def up(files: object = files, parts: str = parts, root: str = root) -> None:
            forget(server, root)
            os.environ.update(MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=parts, MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=parts)
            files.log_artifact(str(file))  # type: ignore[attr-defined]

        found.append((name, up, lambda files=files: files.download_artifacts("large.bin", str(place / "out"))))  # type: ignore[misc]
    root, _ = repository()

    def plain_up() -> None:
        forget(server, root)
        sent_in_parts(server, root, file)

    found.append(
        (f"plain HTTP, {CONNECTIONS} connections", plain_up, lambda: had_in_parts(server, root, file.stat().st_size, place / "out"))
    )
    return found


def forget(server: Server, root: str) -> None:
    """Delete the content, so that the next upload is not one of what is there already."""
    for blob in (server.home / "blobs").glob("*/*/*"):
        blob.unlink()


def sent_in_parts(server: Server, root: str, file: Path) -> None:
    size = file.stat().st_size
    count = -(-size // PART)
    with httpx.Client(base_url=server.url, timeout=300) as http, ThreadPoolExecutor(CONNECTIONS) as threads:
        made = (
            http.post(f"/api/2.0/mlflow-artifacts/mpu/create/{root}", json={"path": file.name, "num_parts": count})
            .raise_for_status()
            .json()
        )

        def send(part: dict[str, object]) -> dict[str, object]:
            start = (int(str(part["part_number"])) - 1) * PART
            with file.open("rb") as source, closing(HTTPConnection(httpx.URL(server.url).netloc.decode(), timeout=300)) as connection:
                source.seek(start)
                pieces = iter(lambda: source.read(min(CHUNK, start + PART - source.tell())), b"")
                connection.request("PUT", str(part["url"]), pieces, {"Content-Length": str(min(PART, size - start))})
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                return {"part_number": part["part_number"], "etag": answer.headers["etag"]}

        parts = list(threads.map(send, made["credentials"]))
        body = {"path": file.name, "upload_id": made["upload_id"], "parts": parts}
        http.post(f"/api/2.0/mlflow-artifacts/mpu/complete/{root}", json=body).raise_for_status()


def had_in_parts(server: Server, root: str, size: int, into: Path) -> None:
    place = into / "large.bin"
    place.touch()
    with httpx.Client(base_url=server.url, timeout=300) as http, ThreadPoolExecutor(CONNECTIONS) as threads:

        def get(start: int) -> None:
            headers = {"range": f"bytes={start}-{min(start + PART, size) - 1}"}
            with http.stream("GET", f"/api/2.0/mlflow-artifacts/artifacts/{root}/large.bin", headers=headers) as answer:
                assert answer.status_code == 206
                with place.open("r+b") as out:
                    out.seek(start)
                    for piece in answer.iter_raw(CHUNK):
                        out.write(piece)

        list(threads.map(get, range(0, size, PART)))


class Server:
    """A control plane with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        port = free_port()
        keep(Settings(home=str(home), port=port, serve_port=free_port()))
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Server:
        self._process = subprocess.Popen([sys.executable, "-m", "noria.server", str(self.home)])
        while True:
            try:
                httpx.get(f"{self.url}/health/ready").raise_for_status()
                return self
            except httpx.HTTPError:
                assert self._process.poll() is None
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def rss_mb(self) -> float:
        """Memory now."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """The most there ever was."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def copy(source: Path, target: Path) -> None:
    counted = hashlib.sha256()
    with source.open("rb") as file, target.open("wb") as out:
        while chunk := file.read(CHUNK):
            counted.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())


def digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def timed(act: Callable[[], object], size: int) -> float:
    """MB/s."""
    began = time.perf_counter()
    act()
    return size / 1e6 / (time.perf_counter() - began)


if __name__ == "__main__":
    main(size_bytes(sys.argv[1]) if len(sys.argv) > 1 else 1 << 30)
