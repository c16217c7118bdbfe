"""Webhooks through MLflow's own client, with a real receiver."""

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import mlflow
import pytest
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

from noria.core.errors import SettingsInvalid
from noria.core.rights import LOCAL
from noria.ledger.models.webhooks import Webhooks
from noria.loop.hooks import Hooks, reached
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.endpoints import Tracking
from noria.server.mlflow.table import ENDPOINTS

HERE = ("127.0.0.0/8",)


class Later:
    """Wall time that a test turns on."""

    def __init__(self, wall):
        self.wall, self.by = wall, None

    def now(self):
        return self.wall.now() if self.by is None else self.wall.now() + self.by


@pytest.fixture
def receiver():
    """Answers with the statuses that it is given, then 200; keeps what came."""
    came, statuses = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append((dict(self.headers.items()), body))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.came, server.statuses, server.url = came, statuses, f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hooks(tracking, serve, monkeypatch):
    wall = Later(tracking.wall)
    found = Hooks(Webhooks(tracking.store), wall=wall, random=Random(1), allowed=HERE)
    found.later = wall
    told = Tracking(store=tracking.store, ledger=tracking.ledger, blobs=tracking.blobs, wall=tracking.wall, hooks=found)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    async def machine(headers, *, method, address):
        return LOCAL

    with serve(MlflowApp(told, ENDPOINTS, callers=machine, hosts=("127.0.0.1",))) as url:
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
        yield found


def test_a_webhook_is_made_read_changed_and_deleted_and_its_secret_is_never_told(hooks, receiver):
    client = mlflow.MlflowClient()
    made = client.create_webhook("first", receiver.url, ["registered_model.created"], description="d", secret="s3cret")
    assert made == client.get_webhook(made.webhook_id) or made.webhook_id == client.get_webhook(made.webhook_id).webhook_id
    assert made.secret is None
    client.create_webhook("second", receiver.url, ["prompt.created"])
    first = client.list_webhooks(max_results=1)
    assert [one.name for one in (*first, *client.list_webhooks(max_results=1, page_token=first.token))] == ["second", "first"]
    changed = client.update_webhook(made.webhook_id, status=WebhookStatus.DISABLED, events=["model_version.created", "prompt_tag.set"])
    assert (changed.status, len(changed.events), changed.name) == (WebhookStatus.DISABLED, 2, "first")
    client.delete_webhook(made.webhook_id)
    with pytest.raises(MlflowException, match="not found"):
        client.get_webhook(made.webhook_id)
    for name, url in (("-bad", receiver.url), ("good", "http://10.0.0.1/x"), ("good", "ftp://x/y")):
        with pytest.raises(MlflowException) as error:
            client.create_webhook(name, url, ["prompt.created"])
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_changes_are_told_signed_and_again_until_they_arrive(hooks, receiver):
    from datetime import timedelta

    client = mlflow.MlflowClient()
    events = ["registered_model.created", "model_version.created", "model_version_alias.created", "model_version_tag.set"]
    client.create_webhook("all", receiver.url, events, secret="s3cret")
    receiver.statuses.append(503)
    client.create_registered_model("churn", tags={"a": "b"})
    assert hooks.once() == 0
    client.create_model_version("churn", "s3://bucket/x")
    client.set_registered_model_alias("churn", "best", "1")
    client.set_model_version_tag("churn", "1", "k", "v")
    hooks.later.by = timedelta(minutes=1)
    assert hooks.once() == 4
    assert hooks.once() == 0
    ids = [headers["X-MLflow-Delivery-Id"] for headers, _ in receiver.came]
    assert len(ids) == 5 and len(set(ids)) == 4
    told = {json.loads(body)["entity"]: json.loads(body) for _, body in receiver.came}
    assert told["registered_model"]["data"] == {"name": "churn", "tags": {"a": "b"}, "description": ""}
    assert told["model_version_alias"]["data"] == {"name": "churn", "alias": "best", "version": "1"}
    for headers, body in receiver.came:
        signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
        assert headers["X-MLflow-Signature"] == f"v1,{wanted}"


def test_it_can_be_tried_out_and_what_nobody_wants_is_not_kept(hooks, receiver):
    client = mlflow.MlflowClient()
    made = client.create_webhook("try", receiver.url, ["prompt_version_tag.deleted"])
    found = client.test_webhook(made.webhook_id)
    assert (found.success, found.response_status, found.response_body) == (True, 200, "ok")
    receiver.statuses.append(404)
    assert client.test_webhook(made.webhook_id, WebhookEvent.from_str("model_version.created")).success is False
    client.create_registered_model("quiet")
    assert hooks.once() == 0


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "https://127.0.0.1/x", "https://10.1.2.3/x", "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/x",
     "https://[::1]/x", "https://localhost/x", "http://8.8.8.8/x", "https://user:pw@8.8.8.8/x", "https:///x", "file:///etc/passwd"],
)  # fmt: skip
def test_addresses_of_private_networks_and_without_encryption_are_refused(url):
    with pytest.raises(SettingsInvalid):
        reached(url)


def test_hosts_that_are_allowed_are_reached_and_public_ones_by_https():
    assert str(reached("http://127.0.0.1/x", ["127.0.0.0/8"])) == "127.0.0.1"
    assert str(reached("https://8.8.8.8/x")) == "8.8.8.8"
