"""Two versions of a ranker draft one order, turn by turn, so that a user compares both without knowing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nextafter

from noria.stages.serving.routing import bucket


@dataclass(frozen=True, slots=True)
class Drafted:
    """One order that two versions drafted.

    Attributes:
        order: Places of the rows, best first.
        by_challenger: For each place of `order`, whether the challenger drafted it.
    """

    order: tuple[int, ...]
    by_challenger: tuple[bool, ...]


def draft(champion: Sequence[float], challenger: Sequence[float], *, salt: str, query: str) -> Drafted:
    """Team-draft: whoever has fewer rows picks its best that is left; on equal terms a coin decides.

    The coins come from the salt and the query alone, so a request that is sent again is answered in
    the same order. Under a user who does not look at what the rows are, whatever the positions are
    worth to her, both versions' rows gain alike on average: each pair of picks is begun by either
    with equal chance. (Balanced interleaving does not have this: Chapelle et al. 2012, section 3.)

    Args:
        champion, challenger: Their scores of the same rows; higher is better, ties stay in the order of the rows.

    Source: Radlinski, Kurup and Joachims 2008, "How does clickthrough data reflect retrieval quality?", algorithm 2.

    >>> draft([3.0, 2.0, 1.0], [3.0, 2.0, 1.0], salt="rollout", query="shoes").order
    (0, 1, 2)
    """
    wanted = [sorted(range(len(scores)), key=lambda place: -scores[place])[::-1] for scores in (champion, challenger)]
    taken: set[int] = set()
    order: list[int] = []
    drafted: list[bool] = []
    while len(order) < len(champion):
        lead = 2 * sum(drafted) - len(drafted)
        second = lead < 0 or (lead == 0 and bucket(salt, f"{query}:{len(order)}") < 0.5)
        mine = wanted[second]
        while mine[-1] in taken:
            mine.pop()
        place = mine.pop()
        taken.add(place)
        order.append(place)
        drafted.append(second)
    return Drafted(order=tuple(order), by_challenger=tuple(drafted))


def rescored(order: Sequence[int], scores: Sequence[float]) -> list[float]:
    """Scores that put the rows in this order: those that were given, dealt out anew and without ties.

    >>> rescored([2, 0, 1], [0.5, 0.9, 0.1])
    [0.5, 0.1, 0.9]
    """
    found = [0.0] * len(scores)
    above = inf
    for place, score in zip(order, sorted(scores, reverse=True), strict=True):
        above = score if score < above else nextafter(above, -inf)
        found[place] = above
    return found
