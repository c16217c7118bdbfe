"""From a version's name to the verdict: its environment, its work in a home of its own, and both models side by side."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from noria.adapters.files import Files
from noria.app.rebuilding import Rebuilt, Told, rebuild, this_one
from noria.core.environment import Environment
from noria.core.errors import BlobMissing, JobFailed, RequestInvalid
from noria.core.reproducing import TOLERANCE, Again, Comparison, Reproduction
from noria.core.training import Candidate, FeatureSet
from noria.core.turning import Event
from noria.loop.reproducing import Repeat, lay_out, needed, repeat_of
from noria.loop.workshop import Bench, Failure
from noria.loop.world import World
from noria.packaging import package
from noria.packaging.locks import read_environment
from noria.packaging.manifest import FILES

LOOK_S = 0.1


def reproduce(
    world: World,
    model: str,
    number: int,
    *,
    by: str,
    here: bool = False,
    search: bool = False,
    tolerance: float = TOLERANCE,
    told: Told = lambda said: None,
) -> Reproduction:
    """Make a version again from its id and hold it against what is registered. The loop's state stays as it is.

    Args:
        here: In the running environment, not in a rebuilt one.
        search: Search for its parameters again, instead of taking those that were found.
        tolerance: By how much answers and marks may differ.
        told: Hears what is being done.

    Raises:
        NotFound: there is no such version, or something that it was made from is gone.
        NotAllowed: it was not trained here, or its environment cannot be rebuilt on this machine.
        Unavailable: what its environment needs is not to be had.
        JobFailed: its code failed, or its process died.
    """
    if not tolerance >= 0:
        raise RequestInvalid(f"a tolerance of {tolerance} accepts nothing", fix="write 0, or a small number such as 1e-6")
    began = time.monotonic()
    repeat = repeat_of(world, model, number)
    lock = read_environment(world.blobs.read(repeat.version.candidate.provenance.environment))
    found = this_one(lock) if here else rebuild(lock, world.home / "environments", told=told)
    with tempfile.TemporaryDirectory(dir=world.scratch, prefix="again-") as folder:
        home = Path(folder) / "home"
        bench, blobs = Bench(Path(folder) / "bench"), Files(home / "blobs")
        told("checking data and code against their digests")
        _lend(world, repeat, blobs)
        lay_out(bench, repeat, search=search)
        env = _environ(lock, found)
        _work(world, "again", [found.python, "-m", "noria.app.job", str(home), str(bench.folder)], bench, env, told)
        told("comparing")
        _work(world, "compare", [found.python, "-m", "noria.app.comparing_job", str(home), str(bench.folder)], bench, env, told)
        made = _told_of(repeat, bench, found, blobs, search=search, tolerance=tolerance)
    made = replace(made, seconds=round(time.monotonic() - began, 1))
    world.ledger.write(_event(world, repeat, made, by))
    return made


def _lend(world: World, repeat: Repeat, blobs: Files) -> None:
    for digest in dict.fromkeys(needed(repeat, world.blobs)):
        try:
            blobs.lend(digest, world.blobs.path(digest))
        except BlobMissing as error:
            raise BlobMissing(f"{repeat.version.model}@{repeat.version.number} cannot be made again: {error.message}") from error


def _environ(lock: Environment, found: Rebuilt) -> dict[str, str]:
    """What the work's process is told; a rebuilt Python sees no package of this one."""
    apart = {} if found.here else {"PYTHONPATH": "", "PYTHONHOME": "", "VIRTUAL_ENV": ""}
    return {"PYTHONHASHSEED": "0", "NORIA_BLOBS": "files", **lock.variables, **apart}


def _work(world: World, job: str, command: list[str], bench: Bench, env: Mapping[str, str], told: Callable[[str], None]) -> None:
    """Wait for a process; it is ended with whoever waits."""
    folder = bench.folder / job
    try:
        world.launcher.launch(job, command, folder=folder, env=env)
        while (state := world.launcher.poll(job, folder=folder)).state == "running":
            told(bench.latest() or "starting")
            time.sleep(LOOK_S)
    finally:
        world.launcher.stop(job, folder=folder)
    failure = bench.result("failure", Failure)
    if failure is not None:
        raise JobFailed(
            f"{failure.step} failed: {failure.message}",
            traceback=failure.traceback,
            fix="compare environments: `--json` lists the differences",
        )
    if state.state != "succeeded":
        raise JobFailed(
            f"the process died: {state.tail.strip()[-1_500:]}", fix="it may lack memory; `--here` tries the running environment"
        )


def _told_of(repeat: Repeat, bench: Bench, found: Rebuilt, blobs: Files, *, search: bool, tolerance: float) -> Reproduction:
    version = repeat.version
    comparison, table, remade = (
        bench.result("comparison", Comparison),
        bench.result("features", FeatureSet),
        bench.result("training", Candidate),
    )
    assert comparison is not None and table is not None and remade is not None
    native = FILES[package.manifest(version.candidate.artifact, blobs=blobs).format]
    notes = list(found.notes)
    equal = table.digest == version.feature_set
    if not equal:
        notes.append("the training table came out with other bytes")
    if repeat.features is None:
        notes.append("the turn's own training table is not on record: both models answered the rows of the new one")
    return Reproduction(
        version=f"{version.model}@{version.number}",
        sameness=comparison.sameness(tolerance, native),
        tolerance=tolerance,
        model_file=native,
        comparison=comparison,
        features_equal=equal,
        feature_rows=Again(before=repeat.features.rows if repeat.features else float("nan"), after=table.rows),
        params_equal=dict(remade.recipe.params) == dict(version.candidate.recipe.params) if search else None,
        here=found.here,
        environment=found.differences,
        notes=tuple(notes),
    )


def _event(world: World, repeat: Repeat, made: Reproduction, by: str) -> Event:
    where = "in the running environment" if made.here else "in its rebuilt environment"
    differs = f"{len(made.environment)} differences from its own" if made.environment else "the same as its own"
    of = made.comparison
    registered = f"{repeat.version.turn}:registered"
    return world.ledger.event(
        "version.reproduced" if made.reproduced else "version.not-reproduced",
        loop=repeat.version.model,
        subject=made.version,
        by=by,
        reasons=(made.said, f"{where}, {differs}", *made.notes),
        because=(registered,) if world.ledger.get([registered]) else (),
        numbers={"rows": of.rows, "max difference": of.max_difference, "mean difference": of.mean_difference, "tolerance": made.tolerance},
        made_from=repeat.version.candidate.made_from,
    )
