"""The launchers keep the promises of `noria.ports.launcher`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from noria.adapters.processes import Processes
from noria.testing.launcher import LauncherContract, settled, wrote

LAUNCH_AND_DIE = """
import os, signal, sys
from pathlib import Path
from noria.adapters.processes import Processes
job = [sys.executable, "-c", "import os, time; open('pid', 'w').write(str(os.getpid())); [time.sleep(0.02) for _ in iter(lambda: os.path.exists('go'), True)]"]
Processes().launch("job", job, folder=Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


class TestProcesses(LauncherContract):
    def open(self) -> Processes:
        return Processes()

    def test_a_job_outlives_its_launcher_and_its_end_is_known(self, tmp_path: Path) -> None:
        killed = subprocess.run([sys.executable, "-c", LAUNCH_AND_DIE, str(tmp_path)], check=False)
        assert killed.returncode == -signal.SIGKILL
        wrote(tmp_path / "pid")
        assert Processes().poll("job", folder=tmp_path).state == "running"
        (tmp_path / "go").touch()
        assert settled(Processes(), "job", tmp_path).state == "succeeded"

    def test_a_job_whose_command_is_killed_has_failed(self, tmp_path: Path) -> None:
        Processes().launch("job", ["sh", "-c", "echo $$ > pid; sleep 600 & wait"], folder=tmp_path)
        os.kill(int(wrote(tmp_path / "pid")), signal.SIGKILL)
        wrote(tmp_path / "job.exit")
        state = Processes().poll("job", folder=tmp_path)
        assert (state.state, state.exit_code) == ("failed", 137)
        Processes().stop("job", folder=tmp_path)

    def test_a_job_that_is_killed_with_all_its_processes_is_lost_and_may_start_again(self, tmp_path: Path) -> None:
        command = ["sh", "-c", "echo begun; sleep 600"]
        Processes().launch("job", command, folder=tmp_path)
        wrote(tmp_path / "output.log")
        os.killpg(int((tmp_path / "job.group").read_text()), signal.SIGKILL)
        assert settled(Processes(), "job", tmp_path).state == "lost"
        Processes().launch("job", command, folder=tmp_path)
        wrote(tmp_path / "output.log", "begun\nbegun\n")
        assert Processes().poll("job", folder=tmp_path).state == "running"
        Processes().stop("job", folder=tmp_path)

    def test_a_number_that_another_process_has_now_is_not_the_job(self, tmp_path: Path) -> None:
        (tmp_path / "job.group").write_text(f"{os.getpid()}\n")
        (tmp_path / "job.lock").touch()
        assert Processes().poll("job", folder=tmp_path).state == "lost"
        Processes().stop("job", folder=tmp_path)
        assert Processes().poll("job", folder=tmp_path).exit_code == 143

    def test_those_who_look_do_not_keep_a_job_from_starting(self, tmp_path: Path) -> None:
        looker = subprocess.Popen([sys.executable, "-c", LOOK, str(tmp_path)])
        try:
            for n in range(20):
                Processes().launch(f"job{n}", ["true"], folder=tmp_path)
                assert settled(Processes(), f"job{n}", tmp_path).state == "succeeded"
        finally:
            looker.kill()
            looker.wait()


LOOK = """
import sys
from pathlib import Path
from noria.adapters.processes import Processes
while True:
    for n in range(20):
        Processes().poll(f"job{n}", folder=Path(sys.argv[1]))
"""
