"""A run costs a training script next to nothing to load."""

import subprocess
import sys


def test_a_run_needs_no_third_party_package():
    code = (
        "import sys; before = set(sys.modules); import noria as nr\n"
        "run = nr.run('r', offline=True, capture=False, system_every_s=0)\n"
        "run.log(loss=1.0); run.end()\n"
        "new = set(sys.modules) - before\n"
        "print(sorted({m for m in new if m.split('.')[0] not in sys.stdlib_module_names and m.split('.')[0] != 'noria'}))\n"
        "print('http.client' in sys.modules, 'ssl' in sys.modules)\n"
    )
    environment = {"NORIA_SPOOL": "/dev/null/no-folder", "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout.splitlines()
    assert told == ["[]", "False False"]
