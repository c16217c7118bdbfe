"""The entrance of the data plane: `python -m noria.dataplane HOME`.

Its own children come in here too: a model's process as `… HOME SOCKET VERSION`, a worker as
`… HOME worker DESCRIPTOR PLACE [LISTENING]`. What each of them needs is imported where it is needed: the parent
of workers stays small.
"""

from __future__ import annotations

import sys
from pathlib import Path

from noria.app.processes import running
from noria.app.settings import Settings, read


def main(arguments: list[str]) -> None:
    """Serve, in this process or in workers; or be one of the children."""
    settings = read(arguments[0])
    if arguments[1:2] == ["worker"]:
        _serve(settings, parent=int(arguments[2]), place=int(arguments[3]), listening=int(arguments[4]) if len(arguments) > 4 else None)
    elif len(arguments) == 3:
        from noria.dataplane.assembly import be_model

        be_model(settings, Path(arguments[1]), Path(arguments[2]))
    else:
        with running(settings.folder, "dataplane"):
            if max(settings.worker_bounds) > 1:
                _supervise(settings)
            else:
                _serve(settings)


def _serve(settings: Settings, *, parent: int | None = None, place: int = 0, listening: int | None = None) -> None:
    from noria.dataplane.assembly import serve_home

    serve_home(settings, parent=parent, place=place, listening=listening)


def _supervise(settings: Settings) -> None:
    from noria.app.hosting import read_hosting
    from noria.dataplane.ports import listening
    from noria.dataplane.sizing import Bounds
    from noria.dataplane.workers import supervise

    low, high = settings.worker_bounds
    command = (sys.executable, "-m", "noria.dataplane", str(settings.folder), "worker")
    shared = listening(*read_hosting().address(settings.host, settings.serve_port), shared=False) if low < high else None
    own = () if shared is None else (str(shared.fileno()),)
    supervise(lambda descriptor, place: (*command, str(descriptor), str(place), *own), Bounds(low=low, high=high), shared)


if __name__ == "__main__":
    main(sys.argv[1:])
