"""A real server of the protocol for MLflow's own client: on SQLite, and with `-m postgres` on PostgreSQL."""

import os
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from noria.adapters.files import Files
from noria.adapters.sqlite import Sqlite
from noria.adapters.system_clock import SystemClock
from noria.core.rights import LOCAL
from noria.ledger.book import Ledger
from noria.ledger.projects import Projects
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.endpoints import Tracking
from noria.server.mlflow.table import ENDPOINTS


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request, tmp_path):
    """Documents and tables."""
    if request.param == "sqlite":
        store = Sqlite(tmp_path / "noria.db")
    else:
        from noria.adapters.postgres import Postgres

        store = Postgres(request.getfixturevalue("postgres").database(tmp_path))
    yield store
    store.close()


@pytest.fixture
def tracking(store, tmp_path):
    """What the endpoints are given."""
    wall = SystemClock()
    ledger = Ledger(store, clock=wall, wall=wall)
    for name in ("blue", "red", "green", "other"):
        Projects(store, ledger, wall).add(name, by="home")
    return Tracking(store=store, ledger=ledger, blobs=Files(tmp_path / "blobs"), wall=wall)


async def machine(headers, *, method, address):
    """Whoever calls."""
    return LOCAL


@pytest.fixture
def serve():
    """A server of the protocol for an application that a test makes itself."""
    return serving


@pytest.fixture
def url(tracking):
    """Where the protocol answers."""
    with serving(MlflowApp(tracking, ENDPOINTS, callers=machine, hosts=("127.0.0.1",))) as url:
        yield url


@pytest.fixture
def client(url, monkeypatch):
    """MLflow's own client of this server; its module-level functions speak to it too."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    import mlflow

    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    mlflow.set_experiment(experiment_id="0")
    yield mlflow.MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()


@contextmanager
def serving(app):
    """An ASGI application on a port of its own; its URL."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
