"""Drift of texts: a classifier on words that names those by which new texts differ, and plain numbers such as their length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from noria.core.content import TextReference
from noria.core.moments import spoken
from noria.core.watching import Reading
from noria.stages.monitoring import described, domain
from noria.stages.monitoring.chunk_limits import spread_over
from noria.stages.monitoring.logistic import auc
from noria.stages.monitoring.reading import against
from noria.stages.monitoring.reference import chunks_of, usual_chunks

MONITOR, DOMAIN = "text-drift", "domain"

SAMPLE_ROWS = 1_000
"""Texts of either side that the classifier looks at."""

MOST_CHARACTERS = 2_000
"""Of one text; the rest is not looked at."""

MOST_WORDS, MOST_KNOWN_WORDS = 4_000, 20_000
CALIBRATED_CHUNKS = 15
FOLDS = 5
_NAMED = 4
_LONG_WORDS = 12.0
_WORD = re.compile(r"\w\w+")

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How well words tell new texts from old ones.

    Attributes:
        auc: Mean over folds; 0.5 = not at all.
        more, less: Words that new texts have more often, or less often, most telling first.
    """

    auc: float
    more: tuple[str, ...]
    less: tuple[str, ...]


def build(texts: Sequence[str | None], times: ArrayLike, *, chunk: timedelta = timedelta(days=1), seed: int = 0) -> TextReference:
    """Describe the texts of the reference; `times` are their moments, shape (rows,).

    Words count as known by every other text, and the descriptors are those of the rest: by itself
    a text knows all its words.
    """
    told = [None if text is None else text[:MOST_CHARACTERS] for text in texts]
    moments = np.asarray(times)
    words = known_words(told[::2])
    there = np.array([bool(text) for text in told], dtype=np.bool_)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(np.flatnonzero(there))[:SAMPLE_ROWS])
    frame = descriptors(told[1::2], words).with_columns(pl.Series("__time", moments[1::2]))
    return TextReference(
        chunk=spoken(chunk),
        rows=len(told),
        words=tuple(sorted(words)),
        sample=tuple(str(told[place]) for place in chosen),
        described=described.describe(frame, chunk=chunk),
        domain=domain.calibrated(_of_chunks(told, there, chunks_of(moments, chunk), random)),
    )


def measure(
    reference: TextReference, texts: Sequence[str | None], *, loop: str, at: datetime, name: str, min_rows: int = 250
) -> list[Reading]:
    """Read how well words tell a chunk of texts from the reference, and each descriptor; subjects begin with `name`."""
    told = [None if text is None else text[:MOST_CHARACTERS] for text in texts]
    frame = descriptors(told, frozenset(reference.words))
    found = described.measure(reference.described, frame, monitor=MONITOR, name=name, loop=loop, at=at, min_rows=min_rows)
    return [_domain(reference, [text for text in told if text], loop=loop, at=at, name=name, min_rows=min_rows), *found]


def known_words(texts: Iterable[str | None]) -> frozenset[str]:
    """Words that are in at least two of the texts, the most frequent of them."""
    counts = Counter(word for text in texts if text for word in set(_WORD.findall(text.lower())))
    return frozenset(word for word, times in counts.most_common(MOST_KNOWN_WORDS) if times > 1)


def descriptors(texts: Sequence[str | None], words: frozenset[str]) -> pl.DataFrame:
    """Plain numbers of each text, one row a text; all are null for one that is missing or empty.

    `length` in characters, `words`, and of all words `unknown_share`; of all characters
    `non_ascii_share`, `upper_share` and `digit_share`.
    """
    return pl.DataFrame([_described(text, words) for text in texts], schema=_DESCRIPTORS, orient="row")


_DESCRIPTORS = dict.fromkeys(("length", "words", "unknown_share", "non_ascii_share", "upper_share", "digit_share"), pl.Float64)


def _described(text: str | None, known: frozenset[str]) -> tuple[float | None, ...]:
    if not text:
        return (None,) * len(_DESCRIPTORS)
    found = _WORD.findall(text.lower())
    unknown = sum(word not in known for word in found) / len(found) if found else 0.0
    n = len(text)
    counts = (sum(not c.isascii() for c in text), sum(c.isupper() for c in text), sum(c.isdigit() for c in text))
    return float(n), float(len(found)), unknown, *(count / n for count in counts)


def tell_apart(old: Sequence[str], new: Sequence[str], *, seed: int = 0) -> Told:
    """Try to tell new texts from old ones by a cross-fitted logistic regression on TF-IDF of their words.

    Texts of a language without spaces are taken by pairs of characters.
    """
    vectorizer = _vectorizer([*old, *new])
    try:
        X = vectorizer.fit_transform([*old, *new])
    except ValueError:  # no word is in two texts: nothing to tell them apart by
        return Told(auc=0.5, more=(), less=())
    value, weight = _separated(csr_matrix(X), np.repeat([0, 1], [len(old), len(new)]), seed)
    names = vectorizer.get_feature_names_out()
    order = np.argsort(-weight, kind="stable")
    return Told(
        auc=value,
        more=tuple(str(names[place]) for place in order[:_NAMED] if weight[place] > 0),
        less=tuple(str(names[place]) for place in order[::-1][:_NAMED] if weight[place] < 0),
    )


def _vectorizer(texts: Sequence[str]) -> TfidfVectorizer:
    found = [word for text in texts[:: max(1, len(texts) // 200)] for word in _WORD.findall(text)]
    unspaced = bool(found) and float(np.mean([len(word) for word in found])) > _LONG_WORDS
    how = {"analyzer": "char", "ngram_range": (2, 2)} if unspaced else {"token_pattern": _WORD.pattern}
    return TfidfVectorizer(min_df=2, max_features=MOST_WORDS, sublinear_tf=True, **how)


def _separated(X: csr_matrix, is_new: NDArray[np.int64], seed: int) -> tuple[float, Array]:
    """The AUC, and how much each word pulls new texts' scores up, positive where they have it more often."""
    n, m = int((is_new == 0).sum()), int(is_new.sum())
    if min(n, m) < FOLDS:
        return float("nan"), np.zeros(X.shape[1])
    random = np.random.default_rng(seed)
    fold = np.concatenate([random.permutation(n) % FOLDS, random.permutation(m) % FOLDS])
    aucs, weight = [], np.zeros(X.shape[1])
    for judged in range(FOLDS):
        learn, judge = fold != judged, fold == judged
        model = LogisticRegression(class_weight="balanced", solver="liblinear", random_state=seed).fit(X[learn], is_new[learn])
        aucs.append(auc(is_new[judge].astype(np.float64), model.decision_function(X[judge])))
        more = X[judge & (is_new == 1)].mean(axis=0) - X[judge & (is_new == 0)].mean(axis=0)
        weight += np.asarray(more).ravel() * np.abs(model.coef_[0])
    return float(np.mean(aucs)), weight


def _domain(reference: TextReference, texts: Sequence[str], *, loop: str, at: datetime, name: str, min_rows: int) -> Reading:
    enough = len(texts) >= max(min_rows, FOLDS) and len(reference.sample) >= FOLDS
    new = texts if len(texts) <= SAMPLE_ROWS else [texts[int(k)] for k in np.linspace(0, len(texts) - 1, SAMPLE_ROWS)]
    told = tell_apart(reference.sample, new) if enough else Told(auc=float("nan"), more=(), less=())
    limit = domain.limit(len(reference.sample), len(new), reference.domain) if enough else float("nan")
    note = f"a classifier on words tells new texts from old with AUC {told.auc:.3f}"
    note += f"; more often {', '.join(told.more)}" if told.more else ""
    note += f"; less often {', '.join(told.less)}" if told.less else ""
    note = note if enough else f"{len(texts):,} texts; {min_rows:,} are needed"
    return against(MONITOR, f"{name}/{DOMAIN}", told.auc, limit, len(texts), loop=loop, at=at, enough=enough, note=note, least=0.5)


def _of_chunks(
    texts: Sequence[str | None], there: NDArray[np.bool_], chunks: NDArray[np.intp], random: np.random.Generator
) -> list[domain.Separation]:
    """How well usual chunks of the reference are told from the rest of it, in order of time."""
    found = []
    for one in spread_over(usual_chunks(chunks), CALIBRATED_CHUNKS):
        sides = [np.flatnonzero(there & (chunks != one)), np.flatnonzero(there & (chunks == one))]
        old, new = ([str(texts[place]) for place in random.permutation(side)[:SAMPLE_ROWS]] for side in sides)
        if min(len(old), len(new)) >= FOLDS:
            chance = domain.chance_auc(len(old), len(new))
            found.append(domain.Separation(auc=tell_apart(old, new).auc, chance=chance, culprits=()))
    return found
