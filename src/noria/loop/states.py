"""The small document that says where a loop stands, changed by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from noria.core.errors import Conflict, NotFound
from noria.core.state import LoopState
from noria.core.turning import Turn, TurnState
from noria.ledger.documents import Documents
from noria.ports.records import Write

_TRIES = 50


def state_of(documents: Documents, name: str) -> LoopState:
    """Where the loop stands.

    Raises:
        NotFound: no loop of this name was ever brought up here.
    """
    state = documents.get(LoopState, name)
    if state is None:
        known = ", ".join(found.name for found in documents.find(LoopState)) or "none yet"
        raise NotFound(f"no loop {name!r} here; there are: {known}", fix="`noria up FILE.py` brings a loop up")
    return state


def amend(documents: Documents, name: str, change: Callable[[LoopState], LoopState], *, also: Sequence[Write] = ()) -> LoopState:
    """Change the state from whatever it is now, atomically with `also`.

    Raises:
        NotFound: no such loop.
        Conflict: a write in `also` does not hold, or the state never held still.
    """
    for _ in range(_TRIES):
        found = documents.revision(LoopState, name)
        if found is None:
            state_of(documents, name)
            continue
        state, revision = found
        changed = change(state)
        if changed == state and not also:
            return state
        try:
            documents.records.commit(documents.write(changed, expect=revision), *also)
        except Conflict:
            again = documents.revision(LoopState, name)
            if again is not None and again[1] == revision:
                raise
        else:
            return changed
    raise Conflict(f"the state of {name!r} moved {_TRIES} times while it was being changed")


def open_turns(documents: Documents, name: str) -> list[Turn]:
    """The loop's turns that have not ended."""
    return documents.find(Turn, where={"loop": name, "state": TurnState.OPEN})
