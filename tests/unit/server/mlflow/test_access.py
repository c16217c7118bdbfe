"""MLflow's own client at a server where everybody is asked who they are."""

from types import SimpleNamespace

import pytest

from noria.adapters.argon import Argon
from noria.core.rights import ANYWHERE, Role
from noria.ledger.access.access import Access
from noria.ledger.documents import Documents
from noria.server.door import Door
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.table import ENDPOINTS
from noria.server.recording import Recorded

SECRET = "correct horse battery"


@pytest.fixture
def access(tracking):
    books = SimpleNamespace(records=tracking.store, documents=Documents(tracking.store), ledger=tracking.ledger, wall=tracking.wall)
    access = Access(books, Argon(memory_kib=8, passes=1, lanes=1))
    access.users.add("ada", password=SECRET, roles={ANYWHERE: Role.CONTRIBUTOR}, by="home")
    access.users.add("eve", password=SECRET, roles={"default": Role.VIEWER}, by="home")
    return access


@pytest.fixture
def as_user(access, tracking, serve, monkeypatch):
    """MLflow's client with the credentials in its environment."""
    import mlflow

    app = Recorded(MlflowApp(tracking, ENDPOINTS, callers=Door(access).enter, hosts=("127.0.0.1",)), access.audit)
    with serve(app) as url:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        mlflow.set_tracking_uri(url)

        def client(**shows):
            for name in ("USERNAME", "PASSWORD", "TOKEN"):
                monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
                if name.lower() in shows:
                    monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", shows[name.lower()])
            return mlflow.MlflowClient(url)

        yield client


def test_a_token_or_a_password_opens_and_what_was_logged_is_on_the_record(access, as_user):
    token, made = access.tokens.add("ada", by="ada")
    experiment = as_user(token=token).create_experiment("by token")
    client = as_user(username="ada", password=SECRET)
    run = client.create_run(experiment).info.run_id
    for step in range(20):
        client.log_metric(run, "loss", 1 / (step + 1), step=step)
    client = as_user(username="ada", password=token)
    assert len(client.get_metric_history(run, "loss")) == 20
    access.audit.flush()
    told = {(line.by, line.token, line.what, line.calls) for line in access.audit.lines()}
    assert ("ada", made.id, "POST /api/2.0/mlflow/experiments/create", 1) in told
    assert ("ada", "", "POST /api/2.0/mlflow/runs/log-metric", 20) in told


@pytest.mark.parametrize(
    ("shows", "code"),
    [
        ({}, "UNAUTHENTICATED"),
        ({"token": "guess"}, "UNAUTHENTICATED"),
        ({"username": "ada", "password": "guess"}, "UNAUTHENTICATED"),
        ({"username": "eve", "password": SECRET}, "PERMISSION_DENIED"),
    ],
)
def test_others_are_told_at_once_that_they_may_not(as_user, shows, code):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        as_user(**shows).create_experiment("refused")
    assert caught.value.error_code == code


def test_a_role_of_one_project_reaches_no_other(access, as_user, monkeypatch):
    from mlflow.exceptions import MlflowException

    client = as_user(username="eve", password=SECRET)
    assert client.get_experiment("0").name == "Default"
    access.users.grant("eve", Role.ADMIN, project="lab", by="home")
    access.users.revoke("eve", project="default", by="home")
    import time

    time.sleep(1.1)  # a change counts within a second
    with pytest.raises(MlflowException) as caught:
        client.get_experiment("0")
    assert caught.value.error_code == "PERMISSION_DENIED"
