"""The ways to bring a challenger in, what each compares versions by, and how a person would say it."""

from __future__ import annotations

from noria.core.declaration.at_once import BlueGreen, Interleave, Shadow
from noria.core.declaration.gradual import AB, Bandit, Canary
from noria.core.declaration.tolerance import BUSINESS, GUARDED, TOLERATED, TOLERATED_QUALITY, business_name
from noria.core.moments import spoken

__all__ = [
    "AB",
    "BUSINESS",
    "GUARDED",
    "TOLERATED",
    "TOLERATED_QUALITY",
    "Bandit",
    "BlueGreen",
    "Canary",
    "Interleave",
    "Shadow",
    "Strategy",
    "business_name",
    "compared",
    "deciding",
    "in_words",
]

Strategy = Canary | AB | Bandit | Shadow | BlueGreen | Interleave


def deciding(strategy: Strategy) -> str:
    """The metric of the task by which the challenger must win, or "" where it must only do no harm."""
    return strategy.metric if isinstance(strategy, AB | Bandit) else ""


def compared(strategy: Strategy) -> tuple[str, ...]:
    """Everything that both versions are compared by: guards, and the metric that decides."""
    return tuple(dict.fromkeys((*strategy.guard, *filter(None, [deciding(strategy)]))))


def in_words(strategy: Strategy) -> str:
    """How a challenger comes in, as a person would say it.

    >>> in_words(Canary(steps=[10, 100], shadow_rows=0))
    '10 %, then 100 % of traffic (≥ 500 rows each)'
    """
    shadow = f"shadow {strategy.shadow_rows:,} rows, then " * (strategy.shadow_rows > 0)
    match strategy:
        case Canary():
            path = f"{', then '.join(f'{step:g} %' for step in strategy.steps)} of traffic (≥ {strategy.min_rows:,} rows each)"
        case AB():
            by = f" by more than {strategy.min_effect:g}" * (strategy.min_effect > 0)
            path = f"A/B: {strategy.share:g} % of traffic until {strategy.metric} is shown to be better{by} ({_rows(strategy)})"
        case Bandit():
            path = f"bandit: {strategy.floor:.0%} to {1 - strategy.floor:.0%} of traffic, by the chance of a better {strategy.metric} ({_rows(strategy)})"
        case Shadow():
            path = {"ask": "a person decides", "promote": "it is champion", "leave": "it leaves"}[strategy.then]
        case BlueGreen():
            path = (
                f"blue/green: all traffic at once; the old version stays ready for {spoken(strategy.bake)} (≥ {strategy.min_rows:,} rows)"
            )
        case Interleave():
            by = f" by more than {strategy.min_effect:g}" * (strategy.min_effect > 0)
            what = "its rows are chosen more often" if strategy.metric == "wins" else "its rows gain more"
            path = f"interleaved with the champion until {what}{by} ({strategy.min_queries:,} to {strategy.max_queries:,} queries)"
    return shadow + path


def _rows(strategy: AB | Bandit) -> str:
    return f"{strategy.min_rows:,} to {strategy.max_rows:,} rows"
