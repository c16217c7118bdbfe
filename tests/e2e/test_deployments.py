"""Models without a loop, through a user's doors: the command, Python and HTTP, in real processes."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMRegressor

import noria as nr

RNG = np.random.default_rng(11)
X = RNG.normal(size=(150, 2))
ROWS = pl.DataFrame(X, schema=["a", "b"])
MODELS = [LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(ROWS.to_pandas(), X @ w) for w in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])]
ASKED = {"a": 0.5, "b": -1.0}
SAID = [float(model.predict(pl.DataFrame([ASKED]).to_pandas())[0]) for model in MODELS]


class Home:
    """A home without a loop file, with both servers up."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0)), other.bind(("127.0.0.1", 0))
            self.port, self.serve_port = one.getsockname()[1], other.getsockname()[1]
        self.env = {**os.environ, "NORIA_PORT": str(self.port), "NORIA_SERVE_PORT": str(self.serve_port), "NORIA_COMPACT_EVERY": "1s"}
        self.env.pop("NORIA_HOME", None)

    def noria(self, *words, check=True):
        done = subprocess.run(
            [sys.executable, "-m", "noria.cli.main", *words], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def predict(self, name, inputs=ASKED, client=httpx):
        return client.post(f"http://127.0.0.1:{self.serve_port}/predict/{name}", json={"inputs": inputs}, timeout=30)

    def order(self, path, **body):
        token = (self.folder / ".noria" / "token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(f"http://127.0.0.1:{self.port}/api/v1/{path}", json=body, headers=headers, timeout=60)

    def get(self, path):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def until(self, true, what):
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)

    def answers(self, name, place):
        self.until(lambda: self.predict(name).json().get("prediction") == pytest.approx(SAID[place]), f"{name} answers as model {place}")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("alone"))
    for place, model in enumerate(MODELS):
        model.booster_.save_model(home.folder / f"m{place}.txt")
    ROWS.write_parquet(home.folder / "rows.parquet")
    home.noria("deploy", "churn", "m0.txt", "--example", "rows.parquet", "--because", "the first one")
    home.noria("up", "--detach")
    yield home
    home.noria("stop")


def test_a_model_answers_that_was_deployed_before_anything_ran(home):
    home.answers("churn", 0)
    assert json.loads(home.noria("deployments", "--json"))[0]["origin"] == "m0.txt"
    assert "churn" in home.noria("status") and "the first one" in home.noria("why", "churn")
    assert httpx.get(f"http://127.0.0.1:{home.serve_port}/plan").json()["problems"] == {}


def test_a_new_version_is_swapped_in_under_load_and_back_without_a_lost_request(home):
    home.answers("churn", 0)
    said, over = [], threading.Event()

    def ask():
        with httpx.Client() as client:
            while not over.is_set():
                told = home.predict("churn", client=client)
                said.append((told.status_code, told.json().get("version"), told.json().get("prediction")))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for one in asking:
        one.start()
    home.noria("deploy", "churn", "m1.txt", "--example", "rows.parquet")
    home.answers("churn", 1)
    home.noria("rollback", "churn")
    home.answers("churn", 0)
    over.set()
    for one in asking:
        one.join()
    assert {status for status, _, _ in said} == {200}
    assert {version for _, version, _ in said} == {1, 2}
    assert all(prediction == pytest.approx(SAID[version - 1]) for _, version, prediction in said)


def test_over_http_a_model_comes_goes_back_and_is_taken_away(home):
    for place in (1, 2):
        content = base64.b64encode((home.folder / f"m{place}.txt").read_bytes()).decode()
        told = home.order("deployments/remote", model=content, example=ROWS.head(20).to_dicts(), origin=f"m{place}.txt", by="ada")
        assert told.status_code == 200, told.text
        assert told.json()["deployment"]["version"] == place
    home.answers("remote", 2)
    assert home.order("deployments/remote/rollback", by="ada", reason="a look").status_code == 200
    home.answers("remote", 1)
    assert home.get("/api/v1/deployments/remote").json()["deployment"]["version"] == 1
    assert home.order("deployments/remote/undeploy").status_code == 200
    home.until(lambda: home.predict("remote").status_code == 404, "nobody answers")
    assert home.order("deployments/remote", model="!").status_code == 422
    assert home.order("deployments/remote", model=base64.b64encode(b"\x80\x04.").decode()).json()["error"]["code"] == "artifact-rejected"


def test_from_python_a_version_of_another_deployment_answers(home):
    made = nr.deploy("copy", "churn@2", home=home.folder / ".noria")
    assert made.version == 1
    home.answers("copy", 1)


def test_what_they_answered_is_in_the_log_and_on_the_pages(home):
    home.answers("churn", 0)
    home.until(lambda: 'data-chart="/charts/traffic.json?loop=churn"' in home.get("/deployments/churn").text, "traffic is counted")
    assert home.get("/charts/traffic.json?loop=churn").status_code == 200
    for page in ("/", "/deployments", "/why/churn", "/events?loop=churn"):
        assert home.get(page).status_code == 200 and "churn" in home.get(page).text
    assert list((home.folder / ".noria" / "log" / "churn" / "predictions").glob("*.parquet"))


def test_a_field_that_does_not_fit_is_named(home):
    told = home.predict("churn", {"a": "much", "b": 1.0})
    assert told.status_code == 422 and "a" in told.json()["error"]["fields"]


def test_a_family_answers_by_partition_and_by_its_parent_elsewhere(home):
    (home.folder / "members").mkdir()
    for place, shop in ((1, "east"), (2, "west")):
        (home.folder / "members" / f"{shop}.txt").write_bytes((home.folder / f"m{place}.txt").read_bytes())
    ROWS.with_columns(shop=pl.lit("east")).write_parquet(home.folder / "of-shops.parquet")
    home.noria("deploy", "sales", "m0.txt", "--family", "members", "--by-field", "shop", "--example", "of-shops.parquet")
    home.answers("sales", 0)
    for shop, place in (("east", 1), ("west", 2), ("north", 0)):
        assert home.predict("sales", {**ASKED, "shop": shop}).json()["prediction"] == pytest.approx(SAID[place])
    log = home.folder / ".noria" / "log" / "sales" / "predictions"
    home.until(
        lambda: {"east", "west", ""} <= {one for part in log.glob("[0-9]*.parquet") for one in pl.read_parquet(part)["member"]}, "logged"
    )


def test_a_new_version_answers_a_share_first_until_a_person_promotes_it(home):
    home.noria("deploy", "tried", "m0.txt", "--example", "rows.parquet")
    home.answers("tried", 0)
    assert "answers 50 %" in home.noria("deploy", "tried", "m1.txt", "--example", "rows.parquet", "--canary", "50")
    seen = {}

    def both():
        told = home.predict("tried").json()
        seen[told["version"]] = (told["role"], told["prediction"])
        return len(seen) == 2

    home.until(both, "both versions answer")
    assert seen == {1: ("champion", pytest.approx(SAID[0])), 2: ("challenger", pytest.approx(SAID[1]))}
    assert "canary: v2 answers 50 % of requests" in home.noria("status")
    assert ">canary<" in home.get("/deployments/tried").text.replace("\n", "")
    (running,) = home.get("/api/v1/deployments/tried").json()["rollouts"]
    assert (running["challenger"], running["share"], running["ended_at"]) == (2, 0.5, None)
    home.noria("promote", "2", "tried", "--because", "it does well")
    home.until(
        lambda: home.predict("tried").json()["role"] == "champion" and home.predict("tried").json()["version"] == 2, "v2 is champion"
    )
    home.answers("tried", 1)
    why = home.noria("why", "tried")
    assert "it does well" in why
