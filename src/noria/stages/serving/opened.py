"""A deployment at work, and which of its versions a call wants."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.errors import NotFound
from noria.core.traffic import Role, Route
from noria.stages.serving.asks import Asking
from noria.stages.serving.graph_lane import GraphLane
from noria.stages.serving.interleaving import InterleavingLane
from noria.stages.serving.isolated import IsolatedLane
from noria.stages.serving.lanes import ChallengerLane, ChampionLane
from noria.stages.serving.quick import Quick
from noria.stages.serving.validation import RequestCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoute:
    """A deployment at work."""

    route: Route
    check: RequestCheck
    quick: Quick
    champion: ChampionLane | IsolatedLane | GraphLane
    challenger: ChallengerLane | None
    interleaving: InterleavingLane | None
    key_place: int
    group_place: int


def only_role(at_work: OpenRoute, asking: Asking) -> Role | None:
    """The one lane that a call wants, or None where the route decides.

    Raises:
        NotFound: no version of that number is at work.
    """
    if asking.role is not None and asking.version is None:
        return _of_role(at_work, asking.role)
    if asking.version is None:
        return None
    if asking.version == at_work.route.champion.number:
        return Role.CHAMPION
    if at_work.challenger is not None and asking.version == at_work.challenger.contender.version.number:
        return Role.CHALLENGER
    raise NotFound(f"version {asking.version} of {at_work.route.deployment!r} is not at work")


def _of_role(at_work: OpenRoute, role: Role) -> Role:
    if role is Role.CHALLENGER and at_work.challenger is None:
        raise NotFound(f"no challenger of {at_work.route.deployment!r} is at work", fix="ask without naming a role")
    return role
