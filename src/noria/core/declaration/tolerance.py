"""What is guarded while a challenger comes in, and how much harm is tolerated, where a declaration says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TOLERATED = {"errors": 0.005, "latency": 1.0, "agreement": 0.3, "operations": 0.05, "nan": 0.001, "distribution": 0.2}
"""Half a per cent more errors, twice as slow, a rank correlation with the champion that is lower by 0.3 than it was on
held-out rows, an operational score of 95 of 100, one answer of a thousand that is no finite number, and a fifth of
the answers on another side of some level than the champion's answers to the same requests."""
GUARDED = ("errors", "latency", "agreement")
"""What is guarded."""
UNSEEN = ("errors", "agreement")
"""The same of a challenger that no user meets."""
TOLERATED_QUALITY = 0.02
"""The same for every metric, in its own units."""
BUSINESS = "business:"
"""What the name of a guard on a number that comes with feedback starts with."""


class Guarding:
    """A strategy whose declaration names only the margins that differ from `TOLERATED`."""

    __slots__ = ()
    guard: Sequence[str]
    margin: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "guard", tuple(self.guard))
        object.__setattr__(self, "margin", {**TOLERATED, **self.margin})


def business_name(guard: str) -> tuple[str, float]:
    """The number's name, and 1.0 if more of it is worse, -1.0 if less is: `business:-cost` is better when it is low.

    >>> business_name("business:revenue"), business_name("business:-cost")
    (('revenue', -1.0), ('cost', 1.0))
    """
    name = guard.removeprefix(BUSINESS)
    return (name[1:], 1.0) if name.startswith("-") else (name, -1.0)
