"""The entrance of the data plane: `python -m noria.dataplane HOME`.

Its own children come in here too: a model's process as `… HOME SOCKET VERSION`, a worker as
`… HOME worker DESCRIPTOR PLACE`. What each of them needs is imported where it is needed: the parent
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
        _serve(settings, parent=int(arguments[2]), place=int(arguments[3]))
    elif len(arguments) == 3:
        from noria.dataplane.assembly import be_model

        be_model(settings, Path(arguments[1]), Path(arguments[2]))
    else:
        with running(settings.folder, "dataplane"):
            if settings.worker_count > 1:
                _supervise(settings)
            else:
                _serve(settings)


def _serve(settings: Settings, *, parent: int | None = None, place: int = 0) -> None:
    from noria.dataplane.assembly import serve_home

    serve_home(settings, parent=parent, place=place)


def _supervise(settings: Settings) -> None:
    from noria.dataplane.workers import supervise

    command = (sys.executable, "-m", "noria.dataplane", str(settings.folder), "worker")
    supervise(lambda descriptor, place: (*command, str(descriptor), str(place)), settings.worker_count)


if __name__ == "__main__":
    main(sys.argv[1:])
