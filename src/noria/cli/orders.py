"""The verbs of a person on a loop: turn, approve, promote, rollback, pause, resume, drill, cancel."""

from __future__ import annotations

from typing import Annotated

import typer

from noria.app.settings import find_home, read
from noria.cli.console import AsJson, Because, By, Home, LoopName, answer, plainly
from noria.cli.killing import Here, lift_here
from noria.cli.opened import Opened


@plainly
def turn(loop: LoopName = None, home: Home = None, by: By = "", because: Because = "ordered by hand", as_json: AsJson = False) -> None:
    """Turn the loop now, whatever its retrain policy says: train, gate and roll out a challenger."""
    opened = Opened(home)
    name = opened.loop(loop)
    signal = opened.verbs.turn(name, by=by, reason=because)
    answer({"loop": name, "signal": signal}, as_json=as_json, text=f"[bold]{name}[/] will turn · watch it with `noria status`")


@plainly
def approve(
    loop: LoopName = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse instead.")] = False,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Approve (or refuse) the candidate of a turn that waits for a person."""
    opened = Opened(home)
    name = opened.loop(loop)
    approval = opened.verbs.approve(name, granted=not refuse, by=by, reason=because or ("refused" if refuse else "approved"))
    answer(approval, as_json=as_json, text=f"{'refused' if refuse else 'approved'} by {approval.by} · {approval.turn}")


@plainly
def promote(
    version: Annotated[int, typer.Argument(help="The version's number.")],
    loop: LoopName = None,
    home: Home = None,
    by: By = "",
    because: Because = "ordered by hand",
    as_json: AsJson = False,
) -> None:
    """Make a version champion now, past all gates. A running rollout ends. Undo with `noria rollback`."""
    opened = Opened(home)
    name = opened.loop(loop, alone=True)
    opened.verbs.promote(name, version, by=by, reason=because)
    answer({"loop": name, "champion": version}, as_json=as_json, text=f"[bold]{name}[/]: v{version} is champion")


@plainly
def rollback(loop: LoopName = None, home: Home = None, by: By = "", because: Because = "ordered by hand", as_json: AsJson = False) -> None:
    """Take a running challenger out; with none running, go back to the champion before this one."""
    opened = Opened(home)
    name = opened.loop(loop, alone=True)
    champion = opened.verbs.rollback(name, by=by, reason=because)
    answer({"loop": name, "champion": champion}, as_json=as_json, text=f"[bold]{name}[/]: v{champion} is champion")


@plainly
def pause(loop: LoopName = None, home: Home = None, by: By = "", because: Because = "ordered by hand", as_json: AsJson = False) -> None:
    """Stop automatic turns. Predictions and monitors go on."""
    _pause(loop, home, by, because, as_json, paused=True)


@plainly
def resume(
    loop: LoopName = None,
    here: Here = False,
    home: Home = None,
    by: By = "",
    because: Because = "ordered by hand",
    as_json: AsJson = False,
) -> None:
    """Allow automatic turns again, and challengers after a `noria kill`."""
    if here:
        lift_here(read(home or find_home()), loop, as_json=as_json)
        return
    _pause(loop, home, by, because, as_json, paused=False)


@plainly
def drill(
    fault: Annotated[str, typer.Argument(help="wrong, slow or crash.")],
    loop: LoopName = None,
    home: Home = None,
    by: By = "",
    because: Because = "a drill",
    as_json: AsJson = False,
) -> None:
    """Let the next challenger answer wrong, slow or not at all, to see that the rollout catches it."""
    opened = Opened(home)
    name = opened.loop(loop)
    opened.verbs.drill(name, fault, by=by, reason=because)
    answer({"loop": name, "fault": fault}, as_json=as_json, text=f"[bold]{name}[/]: the next challenger will answer {fault}")


@plainly
def cancel(loop: LoopName = None, home: Home = None, by: By = "", because: Because = "ordered by hand", as_json: AsJson = False) -> None:
    """End the open turn; the champion stays."""
    opened = Opened(home)
    ended = opened.verbs.cancel(opened.loop(loop), by=by, reason=because)
    answer(ended, as_json=as_json, text=f"turn {ended.number} of [bold]{ended.loop}[/] is cancelled")


def _pause(loop: str | None, home: Home, by: str, because: str, as_json: bool, *, paused: bool) -> None:
    opened = Opened(home)
    name = opened.loop(loop)
    opened.verbs.pause(name, paused, by=by, reason=because)
    answer({"loop": name, "paused": paused}, as_json=as_json, text=f"[bold]{name}[/]: automatic turns {'paused' if paused else 'resumed'}")
