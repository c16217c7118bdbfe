"""The floors of the house, as import-linter sees them, and the size of its files."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_run_one_way():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4_000:]


def test_no_file_is_longer_than_it_should_be():
    long = {str(f.relative_to(ROOT)): n for f in (ROOT / "src").rglob("*.py") if (n := len(f.read_text().splitlines())) > 500}
    assert not long


def test_the_project_stands_alone():
    forbidden = ("/work/", "../shared", "knowledge/", "subagent")
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    told = [f"{file.name}: {word}" for file in files for word in forbidden if word in file.read_text()]
    assert not told
