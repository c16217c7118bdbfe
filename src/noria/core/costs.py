"""`Costs`: what right and wrong answers are worth, so that a threshold can be chosen by them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, init=False)
class Costs:
    """What each kind of answer of a yes-or-no model costs, in any unit; a benefit is a negative cost.

    Args:
        false_positive: A yes to a row that turns out to be a no.
        false_negative: A no to a row that turns out to be a yes.
        true_positive: A yes that was right, for example the work that every alert makes, less what it saves.
        true_negative: A no that was right.
        capacity: At most this share of rows can be answered with yes: 0.02, or "2%".

    Raises:
        ValueError: wrong answers cost no more than right ones, or the capacity is not above 0 and at most 1.
    """

    false_positive: float
    false_negative: float
    true_positive: float
    true_negative: float
    capacity: float

    def __init__(
        self,
        *,
        false_positive: float,
        false_negative: float,
        true_positive: float = 0.0,
        true_negative: float = 0.0,
        capacity: float | str = 1.0,
    ) -> None:
        share = float(capacity.removesuffix("%")) / 100 if isinstance(capacity, str) else float(capacity)
        if not 0 < share <= 1:
            raise ValueError(f"a capacity of {capacity!r} is no share of the rows → write for example 0.02, or '2%'")
        if false_positive <= true_negative or false_negative <= true_positive:
            raise ValueError("a wrong answer must cost more than the right one to the same row → raise false_positive or false_negative")
        object.__setattr__(self, "false_positive", float(false_positive))
        object.__setattr__(self, "false_negative", float(false_negative))
        object.__setattr__(self, "true_positive", float(true_positive))
        object.__setattr__(self, "true_negative", float(true_negative))
        object.__setattr__(self, "capacity", share)

    @property
    def threshold(self) -> float:
        """The best threshold for a calibrated probability, without the capacity (Elkan 2001, equation 2)."""
        wasted, missed = self.false_positive - self.true_negative, self.false_negative - self.true_positive
        return wasted / (wasted + missed)
