"""A person decides on a turn."""

from __future__ import annotations

from datetime import timedelta

from noria.core.turning import TurnState
from noria.ledger.why import chain
from noria.stages.governance import approvals

MARGIN_GATE = 'nr.beats_champion("roc_auc", margin=MARGIN)'


def test_an_approval_is_part_of_why_a_version_became_champion(noria, shop_declaration):
    one = noria(declaration=shop_declaration.replace(MARGIN_GATE, "nr.approval()"))
    one.be_born()
    one.verbs.approve("orders", granted=True, by="ada", reason="good marks")
    one.settle()
    told = chain(one.world.ledger, one.events("alias.moved")[0].id)
    assert ("approval.granted", "ada") in [(event.kind, event.by) for event in told]


def test_an_approval_is_found_though_its_giver_was_killed_before_waking_the_turn(noria, shop_declaration):
    one = noria(declaration=shop_declaration.replace(MARGIN_GATE, "nr.approval()"))
    one.be_born()
    approvals.approve(one.world.records, one.turns()[0].id, granted=True, by="ada", reason="good marks", at=one.clock.at)
    one.clock.at += timedelta(hours=1)
    one.settle()
    assert one.states() == [TurnState.DONE]
