"""The chains of events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import NotFound
from noria.ledger.book import Ledger
from noria.ledger.why import chain, decisions, headline, to_text
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords


def _ledger() -> Ledger:
    return Ledger(MemoryRecords(), clock=HandClock(), wall=HandClock())


def _write(ledger, id, *because, kind="k", **details):
    return ledger.write(ledger.event(kind, loop="l", subject="l", id=id, because=because, **details))


def test_a_chain_has_each_ancestor_once_oldest_first():
    ledger = _ledger()
    _write(ledger, "drift")
    _write(ledger, "quality")
    _write(ledger, "unrelated")
    _write(ledger, "incident", "drift", "quality")
    _write(ledger, "signal", "incident", "drift")
    assert [event.id for event in chain(ledger, "signal")] == ["drift", "quality", "incident", "signal"]
    assert [event.id for event in chain(ledger, "drift")] == ["drift"]


def test_a_chain_ends_after_its_depth_and_at_what_was_never_written():
    ledger = _ledger()
    for n in range(10):
        _write(ledger, f"e{n}", f"e{n - 1}" if n else "lost")
    assert [event.id for event in chain(ledger, "e9", depth=2)] == ["e7", "e8", "e9"]
    assert len(chain(ledger, "e9")) == 10


def test_a_chain_of_no_event_is_an_error():
    with pytest.raises(NotFound):
        chain(_ledger(), "nobody")


@given(st.lists(st.sets(st.integers(0, 14), max_size=4), min_size=1, max_size=15))
@settings(max_examples=40)
def test_a_chain_is_what_can_be_reached_however_entangled(because):
    ledger = _ledger()
    for n, parents in enumerate(because):
        _write(ledger, f"e{n}", *(f"e{parent}" for parent in sorted(parents)))
    reached, todo = set(), [len(because) - 1]
    while todo:
        n = todo.pop()
        if n < len(because) and n not in reached:
            reached.add(n)
            todo += because[n]
    assert [event.id for event in chain(ledger, f"e{len(because) - 1}")] == [f"e{n}" for n in sorted(reached)]


def test_decisions_are_the_decisive_events_newest_first():
    ledger = _ledger()
    for n, kind in enumerate(["turn.started", "verdict.reached", "alias.moved", "policy.declined", "monitor.read"]):
        _write(ledger, f"e{n}", kind=kind)
    ledger.write(ledger.event("turn.failed", loop="other", subject="other"))
    assert [event.id for event in decisions(ledger, "l", 10)] == ["e3", "e2", "e1"]
    assert [event.id for event in decisions(ledger, "l", 2)] == ["e3", "e2"]


def test_an_event_in_one_line_says_what_it_came_to():
    ledger = _ledger()
    declined = _write(ledger, "a", kind="policy.declined", reasons=["not retrained, because", "cooldown: 3d to go", "too few labels"])
    refused = _write(ledger, "b", kind="verdict.reached", reasons=["pass: at_least(f1=0.7)", "fail: latency(p99_ms=5): 8 ms"])
    passed = _write(ledger, "c", kind="verdict.reached", reasons=["pass: at_least(f1=0.7)", "pass: latency(p99_ms=5)"])
    bare = _write(ledger, "d", kind="alias.moved")
    assert [headline(event) for event in (declined, refused, passed, bare)] == [
        "not retrained, because cooldown: 3d to go; too few labels",
        "fail: latency(p99_ms=5): 8 ms",
        "pass: at_least(f1=0.7)",
        bare.subject,
    ]


def test_events_are_told_with_times_reasons_and_numbers():
    ledger = _ledger()
    drift = _write(ledger, "drift", kind="drift.detected", reasons=["dep_delay moved"], numbers={"psi": 0.3125, "rows": 12345.0})
    moved = _write(ledger, "moved", "drift", "event_lost", kind="alias.moved", by="ada", made_from=["sha256:" + "ab" * 32])
    assert to_text([drift, moved]) == (
        "[1] 2013-01-01 00:00  drift.detected  l\n"
        "    dep_delay moved\n"
        "    psi = 0.3125  rows = 12,345\n"
        "\n"
        "[2] 2013-01-01 00:00  alias.moved  l  by ada\n"
        "    because of [1], event_lost\n"
        "    made from sha256:abababababab"
    )
    assert to_text([]) == ""
