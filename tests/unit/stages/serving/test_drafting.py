"""Team-draft interleaving favours nobody, and its order can be read from its scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from noria.stages.serving.drafting import draft, rescored

SCORES = st.lists(st.floats(-5, 5), min_size=1, max_size=12)


@given(st.data(), SCORES)
def test_every_row_is_drafted_once_and_no_version_is_more_than_one_ahead(data, champion):
    challenger = data.draw(st.lists(st.floats(-5, 5), min_size=len(champion), max_size=len(champion)))
    drafted = draft(champion, challenger, salt="s", query=data.draw(st.text(max_size=5)))
    assert sorted(drafted.order) == list(range(len(champion)))
    for n in range(1, len(champion) + 1):
        assert abs(2 * sum(drafted.by_challenger[:n]) - n) <= 1
    scores = rescored(drafted.order, champion)
    assert sorted(range(len(scores)), key=lambda place: -scores[place]) == list(drafted.order)
    assert len(set(scores)) == len(scores)


@given(SCORES, st.text(max_size=5))
def test_two_versions_of_one_mind_draft_that_order(scores, query):
    wanted = sorted(range(len(scores)), key=lambda place: -scores[place])
    assert list(draft(scores, scores, salt="s", query=query).order) == wanted


def test_the_same_query_is_always_dealt_the_same_teams():
    assert draft([1, 2, 3], [3, 2, 1], salt="s", query="q") == draft([1, 2, 3], [3, 2, 1], salt="s", query="q")


def test_a_user_who_only_looks_at_positions_prefers_nobody():
    """The rankings of Chapelle et al. 2012 in which balanced interleaving lets (b, c, d, a) win on any random click."""
    champion, challenger = [4.0, 3.0, 2.0, 1.0], [1.0, 4.0, 3.0, 2.0]
    for position in range(4):
        wins = sum(draft(champion, challenger, salt="s", query=f"q{n}").by_challenger[position] for n in range(4_000))
        assert abs(wins - 2_000) < 4 * np.sqrt(1_000)
