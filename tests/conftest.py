"""What holds for all tests: one thread for small sums, since the runner fills the cores with processes of its own."""

import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@dataclass(frozen=True)
class PostgresServer:
    """Where it answers; each test takes a database of its own by name."""

    url: str

    def database(self, name: object) -> str:
        """The URL of an own schema, made when it is not there."""
        import psycopg

        schema = "t_" + hashlib.sha256(str(name).encode()).hexdigest()[:16]
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        return f"{self.url}&options=-csearch_path%3D{schema}"


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of our own on a socket in a fresh folder."""
    pytest.importorskip("psycopg", reason="psycopg is missing: pip install 'noria[postgres]'")
    programs = _programs()
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="noria-pg-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        run = {"user": user, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        subprocess.run([programs / "initdb", "-D", folder / "data", "-A", "trust", "-N", "--locale=C.UTF-8"], **run)
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=40"
        control = [programs / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w"]
        subprocess.run([*control, "-o", options, "start"], **run)
        try:
            yield PostgresServer(f"postgresql:///postgres?host={folder}&user={user}")
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class S3Server:
    """Where it answers; credentials are in the environment."""

    endpoint: str

    def bucket(self, name: object) -> str:
        """The URL of an own bucket, made when it is not there."""
        bucket = "b-" + hashlib.sha256(str(name).encode()).hexdigest()[:16]
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{bucket}", method="PUT")):
            return f"s3://{bucket}/a prefix"


@pytest.fixture(scope="session")
def s3():
    """An S3 endpoint of our own on a free port."""
    pytest.importorskip("obstore", reason="obstore is missing: pip install 'noria[s3]'")
    pytest.importorskip("moto.server", reason="moto is missing: pip install 'moto[s3]' flask flask-cors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    credentials = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_REGION": "us-east-1"}
    before = {name: os.environ.get(name) for name in credentials}
    os.environ.update(credentials)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 60
        while not _answers(port):
            assert server.poll() is None and time.monotonic() < give_up, "the S3 endpoint did not start"
            time.sleep(0.05)
        yield S3Server(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [Path(path) for path in [shutil.which("pg_ctl")] if path]
    if not found:
        pytest.skip("no PostgreSQL programs here: apt-get install postgresql")
    if os.geteuid() == 0 and not any(entry.pw_name == "postgres" for entry in pwd.getpwall()):
        pytest.skip("PostgreSQL does not run as root, and there is no user named postgres")
    return found[-1].parent
