"""Takes versions out where the data plane runs, without asking the control plane: a file beside its own copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from noria.core.traffic import Kill, Kills, Plan, Route
from noria.ports import wire
from noria.stages.serving.whole_files import write_whole

FILE = "killed.json"
"""Name of the file, in the data plane's own folder."""


def killed(file: Path) -> Mapping[str, Kill]:
    """The orders that stand, by deployment; none where there is no file.

    Raises:
        DataInvalid: the file holds something else.
    """
    try:
        return wire.load(file.read_bytes(), Kills).orders
    except FileNotFoundError:
        return {}


def order(file: Path, kill: Kill) -> None:
    """Let an order stand, beside those for other deployments; versions that were taken out before stay out."""
    standing = dict(killed(file))
    before = standing.get(kill.deployment)
    both = (*before.versions, *kill.versions) if before else kill.versions
    standing[kill.deployment] = replace(kill, versions=tuple(dict.fromkeys(both)))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, wire.dump(Kills(orders=standing)))


def lift(file: Path, deployment: str) -> Kill | None:
    """Take an order back; returns it, or None where there is none."""
    standing = dict(killed(file))
    gone = standing.pop(deployment, None)
    if gone is None:
        return None
    if standing:
        write_whole(file, wire.dump(Kills(orders=standing)))
    else:
        file.unlink()
    return gone


def without(plan: Plan, orders: Mapping[str, Kill]) -> Plan:
    """The plan as it is where orders stand: no challenger comes in, and a champion that was taken out gives way.

    The one before answers in its place. Where there is none, or it was taken out too, the champion
    goes on: a version that a person mistrusts is better than none that answers, and it is said.
    """
    changed = {name: _without(plan.routes[name], kill) for name, kill in orders.items() if name in plan.routes}
    return replace(plan, routes={**plan.routes, **changed}) if changed else plan


def _without(route: Route, kill: Kill) -> Route:
    alone = replace(route, challenger=None, challenger_share=0.0, shadow=False, control=False, interleave=False)
    before = route.before
    if route.champion.number in kill.versions and before is not None and before.number not in kill.versions:
        return replace(alone, champion=before, before=None)
    return alone


def to_kill(route: Route) -> tuple[int, ...]:
    """The versions that an order given now takes out: the challenger, or with none the champion."""
    return (route.champion.number if route.challenger is None else route.challenger.number,)
