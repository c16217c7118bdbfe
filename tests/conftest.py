"""What holds for all tests: one thread for small sums, since the runner fills the cores with processes of its own."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
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


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [Path(path) for path in [shutil.which("pg_ctl")] if path]
    if not found:
        pytest.skip("no PostgreSQL programs here: apt-get install postgresql")
    if os.geteuid() == 0 and not any(entry.pw_name == "postgres" for entry in pwd.getpwall()):
        pytest.skip("PostgreSQL does not run as root, and there is no user named postgres")
    return found[-1].parent
