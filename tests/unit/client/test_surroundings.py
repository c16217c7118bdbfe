"""What is read of the machine, of git and of the packages is true, and is left out where it cannot be read."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from noria.client import captured, gpus
from noria.client.gpus import Gpus
from noria.client.machine import Machine

STAT = "cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3 4\n"
NET = "Inter-|   Receive\n face |bytes\n    lo: 999 0 0 0 0 0 0 0 999 0\n  eth0: {received} 0 0 0 0 0 0 0 {sent} 0 0 0\n"


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "self").mkdir()
    (tmp_path / "stat").write_text(STAT.format(busy=100, idle=100))
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\n")
    (tmp_path / "net" / "dev").write_text(NET.format(received=1_000_000, sent=0))
    (tmp_path / "self" / "statm").write_text("100 50 3 4 5 6 7")
    return tmp_path


def test_shares_and_rates_are_of_the_time_between_two_readings(proc):
    machine = Machine(proc=proc)
    (proc / "stat").write_text(STAT.format(busy=130, idle=110))
    (proc / "net" / "dev").write_text(NET.format(received=3_500_000, sent=1_000_000))
    told = machine.read()
    assert told["system/cpu_utilization_percentage"] == pytest.approx(75)
    assert told["system/network_receive_megabytes"] == pytest.approx(2.5)
    assert told["system/network_transmit_megabytes"] == pytest.approx(1.0)
    assert told["system/process_cpu_percentage"] >= 0


def test_this_machine_can_be_read():
    told = Machine().read()
    assert 0 < told["system/system_memory_usage_percentage"] <= 100
    assert 0 < told["system/disk_usage_percentage"] <= 100
    assert told["system/process_memory_megabytes"] > 1


def test_what_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("noria.client.machine._from_psutil", lambda ask: None)
    told = Machine(proc=tmp_path / "nowhere").read()
    assert "system/disk_usage_percentage" in told
    assert not any("cpu_utilization" in name or "memory" in name or "network" in name for name in told)


class Nvml:
    """A driver's library with two GPUs, of which the second tells no power."""

    def nvmlInit_v2(self):
        return 0

    def nvmlDeviceGetCount_v2(self, count):
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number, device):
        device._obj.value = number.value + 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, device, told):
        told._obj.gpu, told._obj.memory = 40 + device.value, 5
        return 0

    def nvmlDeviceGetMemoryInfo(self, device, told):
        told._obj.total, told._obj.free, told._obj.used = 8_000_000_000, 6_000_000_000, 2_000_000_000
        return 0

    def nvmlDeviceGetPowerUsage(self, device, told):
        told._obj.value = 150_000
        return 0 if device.value == 1 else 3


def test_every_gpu_tells_what_it_knows():
    assert Gpus(Nvml()).read() == {
        "gpu_0_utilization_percentage": 41.0,
        "gpu_0_memory_usage_megabytes": 2000.0,
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_power_usage_watts": 150.0,
        "gpu_1_utilization_percentage": 42.0,
        "gpu_1_memory_usage_megabytes": 2000.0,
        "gpu_1_memory_usage_percentage": 25.0,
    }


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch):
    def missing(name):
        raise OSError(f"{name} is not there")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert gpus.found() is None


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "code"
    folder.mkdir()
    for words in (
        ("init", "-q", "-b", "trunk"),
        ("config", "user.email", "a@example.org"),
        ("config", "user.name", "a"),
        ("remote", "add", "origin", "https://me:secret@example.org/a/b.git"),
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    (folder / "train.py").write_text("print(1)\n")
    subprocess.run(["git", "-C", str(folder), "add", "."], check=True)
    subprocess.run(["git", "-C", str(folder), "commit", "-qm", "one"], check=True)
    return folder


def capture(folder):
    kept = {}
    origin = captured.Origin(command=("python", "train.py"), script="train.py", folder=str(folder))
    return captured.capture(origin, lambda content, path: kept.__setitem__(path, content)), kept


def test_git_tells_commit_branch_and_what_is_not_committed(repository):
    tags, kept = capture(repository)
    assert (tags["mlflow.source.git.branch"], tags["noria.git.dirty"], len(tags["mlflow.source.git.commit"])) == ("trunk", "false", 40)
    assert tags["mlflow.source.git.repoURL"] == "https://example.org/a/b.git"
    assert "code/uncommitted.diff" not in kept
    (repository / "train.py").write_text("print(2)\n")
    tags, kept = capture(repository)
    assert tags["noria.git.dirty"] == "true"
    assert b"+print(2)" in kept["code/uncommitted.diff"]
    assert kept["code/train.py"] == b"print(2)\n"


def test_a_diff_is_bounded(repository, monkeypatch):
    monkeypatch.setattr(captured, "DIFF_LIMIT_BYTES", 500)
    (repository / "train.py").write_text("x\n" * 10_000)
    _, kept = capture(repository)
    assert 500 <= len(kept["code/uncommitted.diff"]) < 600


def test_outside_of_git_and_without_it_the_rest_is_kept(tmp_path, monkeypatch):
    tags, kept = capture(tmp_path)
    assert (tags, set(kept)) == ({}, {"environment/packages.txt"})
    monkeypatch.setenv("PATH", "")
    assert capture(tmp_path)[0] == {}


def test_packages_are_read_from_the_names_of_folders(tmp_path, monkeypatch):
    for name in ("a_b-1.0.dist-info", "c-2.0-py3.11.egg-info", "nothing"):
        Path(tmp_path / name).mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path), "/nowhere"])
    assert captured.packages() == "a-b==1.0\nc==2.0\n"
