"""The entrance of a workshop's process: `python -m noria.app.job HOME FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from noria.app.settings import read
from noria.app.storing import open_blobs
from noria.core.errors import NoriaError
from noria.loop.work import work


def main() -> int:
    """Work off the order in the folder; its results and failures are files there."""
    home, folder = Path(sys.argv[1]), Path(sys.argv[2])
    scratch = home / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        work(folder, blobs=open_blobs(read(home)), scratch=scratch)
    except NoriaError as error:
        sys.stderr.write(f"{error}\n{getattr(error, 'traceback', '')}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
