"""The kill switch: take a version out at once, by the records, or where the data plane runs when they are out of reach."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from noria.app.settings import Settings, find_home, read
from noria.cli.console import AsJson, Because, By, Home, LoopName, answer, plainly
from noria.cli.opened import Opened
from noria.core.errors import NotAllowed, NotFound
from noria.core.traffic import Kill, Plan, Route
from noria.stages.serving import killing
from noria.stages.serving.plans import read_plan

Here = Annotated[
    bool,
    typer.Option("--here", help="Do it on this machine's data plane alone, without the control plane and its records."),
]


@plainly
def kill(
    loop: LoopName = None,
    here: Here = False,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Take the challenger out at once, or with none running go back to the champion before; then hold the loop.

    No other challenger comes in until `noria resume`. With --here the data plane is told by a file of
    its own, so it works while the control plane or its database is down; the control plane does the
    same as soon as it is back.
    """
    if here:
        _kill_here(read(home or find_home()), loop, by, because, as_json=as_json)
        return
    opened = Opened(home)
    name = opened.loop(loop)
    done = opened.verbs.kill(name, by=by, reason=because)
    gone = f"v{done.gone} is out" if done.gone is not None else "nothing could be taken out"
    now = f"v{done.champion} answers" if done.champion is not None else "nothing answers"
    answer(done, as_json=as_json, text=f"[bold]{name}[/]: {gone}, {now} · held until `noria resume`")


def lift_here(settings: Settings, loop: str | None, *, as_json: bool) -> None:
    """Take back what `noria kill --here` ordered.

    Raises:
        NotAllowed: nothing was ordered here.
    """
    file = settings.folder / "dataplane" / killing.FILE
    standing = killing.killed(file)
    name = loop or (next(iter(standing)) if len(standing) == 1 else "")
    if killing.lift(file, name) is None:
        raise NotAllowed(f"nothing was taken out here of {name or 'any one loop'}", fix=f"there are: {', '.join(standing) or 'no orders'}")
    answer({"loop": name, "here": True}, as_json=as_json, text=f"[bold]{name}[/]: this data plane follows the plan again")


def _kill_here(settings: Settings, loop: str | None, by: str, because: str, *, as_json: bool) -> None:
    route = _route(settings, loop)
    versions = killing.to_kill(route)
    order = Kill(deployment=route.deployment, versions=versions, by=by, because=because, at=datetime.now(UTC).isoformat(timespec="seconds"))
    killing.order(settings.folder / "dataplane" / killing.FILE, order)
    left = killing.without(Plan(revision=0, routes={route.deployment: route}), {route.deployment: order}).routes[route.deployment]
    out = left.champion.number not in versions
    said = (
        f"v{versions[0]} is out, v{left.champion.number} answers" if out else f"no version before v{versions[0]} is known here: it goes on"
    )
    answer(
        {"loop": route.deployment, "gone": versions[0] if out else None, "champion": left.champion.number, "here": True},
        as_json=as_json,
        text=f"[bold]{route.deployment}[/]: {said} · on this data plane, until `noria resume`",
    )


def _route(settings: Settings, loop: str | None) -> Route:
    """The deployment's route as this data plane has it: by the published plan, or by its own copy.

    Raises:
        NotFound: no plan is here, or none of that name is in it, or several are and none was named.
    """
    for file in (settings.folder / "plan" / "plan.json", settings.folder / "dataplane" / "plan.json"):
        plan = read_plan(Path(file))
        if plan is not None:
            if loop is not None and loop in plan.routes:
                return plan.routes[loop]
            if loop is None and len(plan.routes) == 1:
                return next(iter(plan.routes.values()))
            raise NotFound(f"which loop? this data plane has: {', '.join(list(plan.routes)[:20]) or 'none'}", fix="name one")
    raise NotFound(f"there is no routing plan in {settings.folder}", fix="name the data plane's home with --home")
