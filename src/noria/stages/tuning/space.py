"""Draws parameters from the space that a loop declares."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from noria.core.declaration.training import Choice
from noria.core.training import Param

Space = Mapping[str, Choice | Param]


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distribution of each parameter that is searched; fixed values are left out."""
    return {name: _distribution(choice) for name, choice in space.items() if isinstance(choice, Choice)}


def _distribution(choice: Choice) -> BaseDistribution:
    if choice.kind == "integer":
        return IntDistribution(int(choice.low), int(choice.high))
    if choice.kind == "choice":
        return CategoricalDistribution(choice.options)
    return FloatDistribution(choice.low, choice.high, log=choice.kind == "log")
