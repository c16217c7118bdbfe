"""A training script and a server as real processes; either is killed outright, and every point that was told is there in the end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

PATIENCE_S = 60
POINTS = 6_000

SCRIPT = """
import os, signal, sys, time
import noria as nr
points, dies = int(sys.argv[1]), sys.argv[2] == "dies"
with nr.run("steady", experiment="kill", params={"lr": 0.1}, capture=False, system_every_s=0) as run:
    print(run.id, flush=True)
    for step in range(points):
        run.log(loss=step / 7, step=step)
        if step % 100 == 0:
            time.sleep(0.02)
        if step == points // 2:
            print("half", flush=True)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
"""


class Home:
    """A folder with a home in it, and its control plane as a process."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, serve = free.getsockname()[1], other.getsockname()[1]
        (folder / ".noria").mkdir()
        (folder / ".noria" / "settings.json").write_text(json.dumps({"port": self.port, "serve_port": serve}))
        (folder / "train.py").write_text(SCRIPT)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("NORIA_")}
        self.server = None

    def start(self):
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "noria.server", str(self.folder / ".noria")], stdout=log, stderr=log, env=self.environment
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if httpx.get(f"{self.url}/version").status_code == 200:
                    return
            except httpx.HTTPError:
                assert self.server.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self):
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def train(self, *words):
        return subprocess.Popen(
            [sys.executable, "train.py", str(POINTS), *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *words):
        done = subprocess.run(
            [sys.executable, "-m", "noria.cli.main", *words, "--json"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    def steps(self, run):
        """All steps of the run's loss, and how the run ended."""
        found, token = [], ""
        while True:
            more = {"page_token": token} if token else {}
            told = httpx.get(f"{self.url}/api/2.0/mlflow/metrics/get-history", params={"run_id": run, "metric_key": "loss", **more}).json()
            found += [int(point["step"]) for point in told["metrics"]]
            token = told.get("next_page_token", "")
            if not token:
                break
        status = httpx.get(f"{self.url}/api/2.0/mlflow/runs/get", params={"run_id": run}).json()["run"]["info"]["status"]
        return found, status


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One for all of the tests: a server takes seconds to start."""
    made = Home(tmp_path_factory.mktemp("home"))
    made.start()
    yield made
    made.server.terminate()
    made.server.wait(PATIENCE_S)


def test_a_server_that_is_killed_in_the_middle_costs_no_point_and_no_training(home):
    training = home.train("ends")
    run = training.stdout.readline().strip()
    assert training.stdout.readline() == "half\n"
    home.kill()
    _, err = training.communicate(timeout=PATIENCE_S)
    assert training.returncode == 0
    assert "`noria sync` sends it" in err
    home.start()
    code, told = home.command("sync")
    assert (code, told["runs"], told["left"]) == (0, 1, {})
    assert home.steps(run) == (list(range(POINTS)), "FINISHED")
    assert home.command("sync")[1]["entries"] == 0


def test_a_training_that_is_killed_is_told_whole_and_as_killed(home):
    training = home.train("dies")
    run = training.stdout.readline().strip()
    training.communicate(timeout=PATIENCE_S)
    assert training.returncode == -signal.SIGKILL
    code, told = home.command("sync")
    assert (code, told["left"]) == (0, {})
    assert home.steps(run) == (list(range(POINTS)), "KILLED")


def test_runs_are_shown_compared_and_made_again_with_another_parameter(home):
    script = (
        "import noria as nr\n"
        "with nr.run('short', experiment='kill', params={'lr': 0.1}, system_every_s=0) as run:\n"
        "    run.log(loss=run.config['lr'] * 2)\n    print(run.id)\n"
    )
    (home.folder / "short.py").write_text(script)
    for words in (("init", "-q"), ("add", "short.py"), ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "one")):
        subprocess.run(["git", "-C", str(home.folder), *words], check=True, env=home.environment)
    (home.folder / "short.py").write_text(script + "# uncommitted\n")
    first = subprocess.run(
        [sys.executable, "short.py"], cwd=home.folder, env=home.environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    code, told = home.command("runs", "clone", first, "--set", "lr=0.5")
    assert (code, told["environment"]["NORIA_CLONE_OF"]) == (0, first)
    done = subprocess.run(
        [sys.executable, "-m", "noria.cli.main", "runs", "clone", first, "--set", "lr=0.5", "--start"],
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    second = done.stdout.strip().splitlines()[-1]
    home.command("sync")
    assert home.command("runs", "show", second)[1]["metrics"]["loss"] == 1.0
    differences = home.command("runs", "compare", first, second)[1]["differences"]
    assert differences["params.lr"] == ["0.1", "0.5"]
    assert differences["tags.noria.clone_of"] == [None, first]
    (home.folder / "short.py").write_text("raise SystemExit('another version')\n")
    code, told = home.command("runs", "clone", first, "--exact")
    assert (code, "uncommitted" in (home.folder.parent / told["folder"] / "short.py").read_text()) == (0, True)
    listed = home.command("runs", "list", "-e", "kill", "-f", "metrics.loss > 0.5 AND params.lr = '0.5'")[1]
    assert [one["id"] for one in listed] == [second]
    assert home.command("runs", "show", second[:12])[1]["id"] == second
    assert home.command("runs", "list", "-f", "metrics.loss <")[1]["error"]["code"] == "request-invalid"
    code, told = home.command("runs", "show", "nobody")
    assert (code, told["error"]["code"]) == (1, "not-found")
