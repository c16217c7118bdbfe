"""Drift of texts: words that come up, texts that grow longer, and nothing at all."""

from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from noria.core.watching import Level
from noria.ports import wire
from noria.stages.monitoring.texts import build, descriptors, known_words, measure, tell_apart

AT = datetime(2024, 3, 1, tzinfo=UTC)
WORDS = [f"{a}{b}" for a in ("room", "bed", "staff", "break", "pool", "view") for b in ("", "s", "er", "ing", "ly", "ish", "est")]


def texts(seed, n, *, extra=(), share=0.0, length=12):
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(WORDS) + 1)
    found = [list(random.choice(WORDS, length, p=weights / weights.sum())) for _ in range(n)]
    for one in found:
        if random.random() < share:
            one += list(extra)
    return [" ".join(one) for one in found]


def times(n, per=300):
    return np.datetime64("2024-01-01", "ms") + (np.arange(n) * (86_400_000 // per)).astype("timedelta64[ms]")


@pytest.fixture(scope="module")
def known():
    return build(texts(1, 4_500), times(4_500))


def told(known, found):
    return {one.subject: one for one in measure(known, found, loop="l", at=AT, name="review")}


def test_texts_of_the_same_kind_give_no_alarm(known):
    """False alarms per chunk of 300: measured none of 100, of each reading."""
    found = [told(known, texts(100 + seed, 300)) for seed in range(8)]
    assert sum(one["review/domain"].level is Level.BREACH for one in found) <= 1
    assert sum(reading.level is Level.BREACH for one in found for reading in one.values()) <= 2


def test_words_that_come_up_are_seen_and_named(known):
    """Two new words in 35 % of 300 texts: measured 49 of 50; in 15 %: 2 of 50, but 50 of 50 by the share of unknown words."""
    found = [told(known, texts(200 + seed, 300, extra=("refund", "bedbugs"), share=0.35))["review/domain"] for seed in range(4)]
    assert all(one.level is Level.BREACH for one in found)
    assert all("more often" in one.note and "refund" in one.note and "bedbugs" in one.note for one in found)


def test_longer_texts_unknown_words_and_missing_ones_are_seen_by_their_descriptors(known):
    longer = told(known, texts(300, 300, length=20))
    assert longer["review/length"].level is Level.BREACH
    foreign = told(known, [text.replace("room", "zimmer") + " schön" for text in texts(301, 300)])
    assert foreign["review/unknown_share"].level is Level.BREACH
    assert foreign["review/non_ascii_share"].level is Level.BREACH
    gone = told(known, [None if place % 3 == 0 else text for place, text in enumerate(texts(302, 300))])
    assert gone["review/missing"].level is Level.BREACH


def test_the_auc_is_that_of_scikit_learns_own_pipeline():
    old, new = texts(1, 300), texts(2, 300, extra=("refund",), share=0.4)
    X = TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform([*old, *new])
    y = np.repeat([0, 1], 300)
    score = cross_val_predict(LogisticRegression(solver="liblinear"), X, y, cv=5, method="decision_function")
    assert tell_apart(old, new).auc == pytest.approx(roc_auc_score(y, score), abs=0.03)


def test_descriptors_are_what_they_are_called():
    row = descriptors(["Ab 12 ß zz", "", None], frozenset({"ab"})).to_dicts()
    assert row[0] == {
        "length": 10,
        "words": 3,
        "unknown_share": pytest.approx(2 / 3),
        "non_ascii_share": 0.1,
        "upper_share": 0.1,
        "digit_share": 0.2,
    }
    assert row[1]["length"] is None and row[2]["words"] is None
    assert known_words(["one two", "Two three", None]) == {"two"}


def test_texts_without_spaces_are_told_apart_by_characters():
    random = np.random.default_rng(5)
    old = ["".join(random.choice(list("房间很干净服务好早餐不错"), 40)) for _ in range(100)]
    new = ["".join(random.choice(list("退款太慢要求赔偿不满意差"), 40)) for _ in range(100)]
    found = tell_apart(old, new)
    assert found.auc > 0.95 and all(len(word) == 2 for word in found.more)


def test_nothing_in_common_few_texts_and_storing_are_no_crash(known):
    assert tell_apart(["a1b"], ["c2d"]).auc == 0.5
    assert told(known, texts(4, 20))["review/domain"].level is Level.NOT_ENOUGH
    assert wire.load(wire.dump(known), type(known)) == known
    assert build([None] * 50, times(50)).sample == ()
