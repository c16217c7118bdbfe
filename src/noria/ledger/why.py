"""Why a thing is as it is: the chain of events that led to one, and the decisions of a loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

from noria.core.errors import NotFound
from noria.core.turning import Event
from noria.ledger.book import Ledger

DECISIVE = (
    "alias.moved",
    "rollout.promoted",
    "rollout.rolled-back",
    "turn.refused",
    "turn.failed",
    "policy.declined",
    "policy.accepted",
    "verdict.reached",
)
"""Kinds of event by which a loop's course was decided."""

CHAIN_LIMIT = 1_000
"""Events in one chain: bounded, however entangled the past is."""


def chain(ledger: Ledger, event_id: str, *, depth: int = 50) -> list[Event]:
    """The event and its ancestors through `because`, oldest first, each once, at most `depth` generations back.

    Raises:
        NotFound: there is no such event.
    """
    if not ledger.get([event_id]):
        raise NotFound(f"there is no event {event_id}", fix="`noria why --all --json` lists them with their ids")
    known: dict[str, None] = {}
    generation = [event_id]
    for _ in range(depth + 1):
        generation = generation[: CHAIN_LIMIT - len(known)]
        if not generation:
            break
        known.update(dict.fromkeys(generation))
        parents = (parent for event in ledger.get(generation) for parent in event.because)
        generation = [parent for parent in dict.fromkeys(parents) if parent not in known]
    return ledger.get(list(known))


def decisions(ledger: Ledger, loop: str, limit: int = 20) -> list[Event]:
    """The loop's decisive events, newest first."""
    found = [pair for kind in DECISIVE for pair in ledger.tail(loop=loop, kind=kind, limit=limit, newest_first=True)]
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [event for _, event in found[:limit]]


def headline(event: Event) -> str:
    """The event in one line: what it came to, and for a policy's answer why."""
    if event.kind in ("policy.declined", "policy.accepted") and len(event.reasons) > 1:
        return f"{event.reasons[0]} {'; '.join(event.reasons[1:])}"
    if event.kind == "verdict.reached":
        failed = [reason for reason in event.reasons if not reason.startswith("pass")]
        return (failed or list(event.reasons) or [event.subject])[0]
    return event.reasons[0] if event.reasons else event.subject


def to_text(events: Sequence[Event]) -> str:
    """Tell events as numbered paragraphs with time, reasons and numbers; "because of" points at numbers above."""
    place = {event.id: n for n, event in enumerate(events, 1)}
    return "\n\n".join("\n".join(_told(event, place)) for event in events)


def _told(event: Event, place: dict[str, int]) -> list[str]:
    actor = "" if event.by == "noria" else f"  by {event.by}"
    lines = [f"[{place[event.id]}] {event.at:%Y-%m-%d %H:%M}  {event.kind}  {event.subject}{actor}"]
    lines += [f"    {reason}" for reason in event.reasons]
    if event.numbers:
        lines.append("    " + "  ".join(f"{name} = {_number(value)}" for name, value in event.numbers.items()))
    if event.because:
        lines.append("    because of " + ", ".join(f"[{place[id]}]" if id in place else id for id in event.because))
    if event.made_from:
        lines.append("    made from " + ", ".join(_short(digest) for digest in event.made_from))
    return lines


def _number(value: float) -> str:
    if math.isfinite(value) and value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    return f"{value:.4g}"


def _short(digest: str) -> str:
    return digest[:19] if digest.startswith("sha256:") else digest
