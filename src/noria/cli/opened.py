"""The home that a command works on, opened: records are read directly, so commands work while no server runs."""

from __future__ import annotations

from pathlib import Path

from noria.app.settings import Settings, find_home, read
from noria.app.wiring import build
from noria.core.errors import NotFound
from noria.core.registry import Deployment
from noria.core.state import LoopState
from noria.loop.alert_verbs import AlertVerbs
from noria.loop.enrol import in_force
from noria.loop.states import state_of
from noria.loop.verbs import Verbs
from noria.loop.world import World


class Opened:
    """Settings, world and verbs of one home."""

    def __init__(self, home: Path | None) -> None:
        self.settings: Settings = read(home or find_home())
        self.world: World = build(self.settings)
        self.verbs = Verbs(self.world)
        self.alerts = AlertVerbs(self.world, declared=lambda name: in_force(self.world, state_of(self.world.documents, name)).loop)

    def loop(self, name: str | None, *, alone: bool = False) -> str:
        """The named loop, or the only one; with `alone`, a named deployment without a loop will do.

        Raises:
            NotFound: there is none of that name, or several and none was named.
        """
        known = [state.name for state in self.world.documents.find(LoopState)]
        if name in known:
            return str(name)
        if alone and name is not None and self.world.documents.get(Deployment, name) is not None:
            return name
        if name is None and len(known) == 1:
            return known[0]
        listed = ", ".join(known) or "none yet"
        raise NotFound(
            f"which loop? there are: {listed}" if name is None else f"no loop {name!r} here; there are: {listed}", fix="name one"
        )
