"""The entrance of a comparison's process: `python -m noria.app.comparing_job HOME FOLDER`. Models that are code run here, not where it was asked."""

from __future__ import annotations

import sys
from pathlib import Path

from noria.adapters.files import Files
from noria.core.errors import NoriaError
from noria.loop.reproducing import compare
from noria.loop.workshop import Bench


def main() -> int:
    """Hold the model that was made again against the version's, and leave what came out on the bench."""
    home, bench = Path(sys.argv[1]), Bench(Path(sys.argv[2]))
    try:
        bench.keep("comparison", compare(bench, Files(home / "blobs"), home / "scratch"))
    except NoriaError as error:
        sys.stderr.write(f"{error}\n{getattr(error, 'traceback', '')}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
