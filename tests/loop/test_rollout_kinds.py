"""Whole turns whose challenger comes in by an A/B test, and by a bandit."""

from __future__ import annotations

import re
from contextlib import suppress

import numpy as np
import pytest

from noria.core.errors import NotAllowed
from noria.core.turning import Rollout, RolloutPhase, TurnState
from noria.stages.registry import aliases

AB = 'rollout=nr.AB(share=50, metric="roc_auc", min_rows=100, max_rows=3_000, shadow_rows=100),'
BANDIT = 'rollout=nr.Bandit(metric="roc_auc", floor=0.2, step=0.3, min_rows=500, max_rows=3_000, shadow_rows=100),'


def turned(noria, declaration: str, rollout: str):
    """A shop whose customers change their minds, until a better version has come in; the loop may have begun by itself."""
    text, changed = re.subn(r"rollout=nr\.Canary\(.*\),", rollout, declaration)
    assert changed == 1
    one = noria(declaration=text.replace('window="60d"', 'window="10d"'))
    one.be_born()
    one.days(2, parts=2)
    one.shop.weights = np.array([-1.2, 1.0])
    one.days(9, parts=2)
    for day in range(40):  # which keys fall on the challenger, and so how soon there is enough data, is another draw each time
        if aliases.current(one.world.records, "orders", "champion") != 1:
            break
        if day == 0:
            with suppress(NotAllowed):
                one.verbs.turn("orders", by="test", reason="customers have changed their minds")
        one.day(parts=2)
    return one


@pytest.mark.parametrize(("rollout", "kind"), [(AB, "ab"), (BANDIT, "bandit")])
def test_a_better_challenger_comes_in(noria, declaration, rollout, kind):
    one = turned(noria, declaration, rollout)
    assert one.world.documents.find(Rollout), [turn.outcome for turn in one.turns()]
    brought = one.world.documents.find(Rollout)[-1]
    assert (brought.kind, brought.phase) == (kind, RolloutPhase.PROMOTED), one.world.documents.find(Rollout)
    assert one.states()[-1] is TurnState.DONE
    assert one.failed == 0
    told = [event for event in one.events() if event.turn == brought.turn and event.kind.startswith("rollout.")]
    assert "roc_auc" in told[0].reasons[0]
    shares = [event.numbers["share"] for event in told[1:]]
    assert shares[-1] == 1.0
    assert set(shares[:-1]) == {0.5} if kind == "ab" else len(set(shares)) >= 2
    assert (kind == "bandit") == ("had one version answered all" in told[-1].reasons[-1])
