"""`nr.run`: begin a run, or go on with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from noria.client import place
from noria.client.run import SYSTEM_EVERY_S, Run, current
from noria.ledger.tracking.names import run_name

DEFAULT_EXPERIMENT = "Default"


def run(
    name: str = "",
    *,
    experiment: str = "",
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    id: str = "",
    parent: str | None = None,
    project: str = "",
    offline: bool | None = None,
    capture: bool = True,
    system_every_s: float = SYSTEM_EVERY_S,
) -> Run:
    """Begin a run: `with nr.run("first try", experiment="churn", params={"lr": 0.1}) as run: run.log(loss=0.3)`.

    All that it is told is written to a local spool first and sent in the background: to the server of the
    Noria in whose folder the script runs, or to `NORIA_URL`. A server that is down, slow or gone costs the
    script nothing; `noria sync` sends what is left. Inside another run's block it is a child of that run.

    Args:
        name: What people call it; made when left out.
        experiment: Under which runs are compared; it is made if it is not there.
        params: What it is given, see `Run.params`.
        tags: What it is marked with.
        id: Go on with this run instead of beginning one.
        parent: Id of the run that this one belongs to; "" for none, even inside a block.
        project: The project; else what `NORIA_PROJECT` says.
        offline: Send nothing before `noria sync`; else what `NORIA_OFFLINE` says.
        capture: Keep command line, script, packages, git commit and uncommitted diff, read in the background.
        system_every_s: Seconds between readings of processor, memory, disk, network and GPUs; 0 for none.

    Raises:
        ValueError: `id` or `parent` is no run's id.
    """
    for given in (id, parent or ""):
        if not given.replace("-", "").replace("_", "").isalnum() and given:
            raise ValueError(f"{given!r} is no run's id")
    around = current() if parent is None and not id else None
    if around is not None and not (experiment or project):
        return around.child(name, params=params, tags=tags)
    where = place.find(offline=offline)
    made = Run(
        name or ("" if id else run_name(Random())),
        experiment=experiment or ("" if id else DEFAULT_EXPERIMENT),
        where=replace(where, project=project) if project else where,
        resumed=id,
        parent_id=parent or "",
        capture=capture,
        system_every_s=system_every_s,
    )
    made._begin(params, tags)
    return made
