"""Metrics of a ranking within queries; y says how relevant a row is (0 = not at all), score how far up it belongs.

Each is a mean over queries. A query in which no row is relevant says nothing about an order and is
left out. Rows of equal score keep the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Codes, Measured
from noria.stages.evaluation.metric import Informed


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Rows by query, best score first; one entry per row.

    Attributes:
        query: Which query it belongs to, 0 to `queries` − 1.
        place: Its place within the query, from 0.
        gain: How relevant it is.
        first: Row number, as given, of the first row of each query.
    """

    query: Codes
    place: Codes
    gain: Array
    queries: int
    first: Codes

    def sums(self, per_row: Array) -> Array:
        """Sums within queries."""
        return np.bincount(self.query, weights=per_row, minlength=self.queries).astype(np.float64)

    @property
    def relevant(self) -> Array:
        """1 where a row is relevant at all."""
        return (self.gain > 0).astype(np.float64)


PerQuery = Callable[[Ranked], Array]
"""A metric of each query, shape (queries,)."""


def ndcg(k: int) -> PerQuery:
    """Discounted gain of the first k over the best possible (Järvelin & Kekäläinen 2002), gains as they are, discount log2(place + 1)."""

    def per_query(rows: Ranked) -> Array:
        ideal = ranked(rows.gain, rows.gain, rows.query)
        return _dcg(rows, k) / _dcg(ideal, k)

    return per_query


def mean_precision(k: int) -> PerQuery:
    """Average precision of the first k: the precision at each relevant one, over as many relevant ones as could be there."""

    def per_query(rows: Ranked) -> Array:
        hits = rows.relevant * (rows.place < k)
        before = np.cumsum(hits) - np.repeat(np.cumsum(rows.sums(hits)) - rows.sums(hits), np.bincount(rows.query, minlength=rows.queries))
        return rows.sums(hits * before / (rows.place + 1)) / np.minimum(rows.sums(rows.relevant), k)

    return per_query


def precision(k: int) -> PerQuery:
    """Share of the first k places that hold a relevant row; a query of fewer rows has that many places."""
    return lambda rows: rows.sums(rows.relevant * (rows.place < k)) / np.minimum(np.bincount(rows.query, minlength=rows.queries), k)


def recall(k: int) -> PerQuery:
    """Share of the relevant rows that are among the first k."""
    return lambda rows: rows.sums(rows.relevant * (rows.place < k)) / rows.sums(rows.relevant)


def reciprocal_rank(rows: Ranked) -> Array:
    """One over the place of the first relevant row."""
    found = np.zeros(rows.queries)
    np.maximum.at(found, rows.query, rows.relevant / (rows.place + 1))
    return found


def over_queries(per_query: PerQuery) -> Informed:
    """The mean over queries; a query's influence stands at its first row, so that any clusters of rows add up."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        assert given.groups is not None
        rows = ranked(y, score, given.groups)
        told = rows.sums(rows.relevant) > 0
        if not told.any():
            return UNDEFINED
        values = per_query(rows)[told]
        influence = np.zeros(len(y))
        influence[rows.first[told]] = (values - values.mean()) / len(values)
        return Measured(value=float(values.mean()), influence=influence)

    return formula


def ranked(y: Array, score: Array, groups: NDArray) -> Ranked:
    """The rows by query and falling score."""
    _, first, query = np.unique(groups, return_index=True, return_inverse=True)
    order = np.lexsort((np.arange(len(y)), -score, query))
    sizes = np.bincount(query)
    place = np.arange(len(y)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Ranked(query=query[order], place=place, gain=y[order], queries=len(sizes), first=first)


def _dcg(rows: Ranked, k: int) -> Array:
    return rows.sums(np.where(rows.place < k, rows.gain, 0.0) / np.log2(rows.place + 2.0))
