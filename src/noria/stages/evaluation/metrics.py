"""The metrics that Noria knows: what each task offers, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType

from noria.core.errors import NotFound
from noria.core.schema import Task
from noria.stages.evaluation import tables
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.metric import Metric, arrays

__all__ = ["METRICS", "Metric", "arrays", "main_metric", "measurable", "metric", "names_for", "offers"]

_MAIN = {
    Task.BINARY: "roc_auc",
    Task.MULTICLASS: "log_loss",
    Task.REGRESSION: "rmse",
    Task.RANKING: "ndcg_10",
    Task.FORECAST: "wape",
    Task.MULTILABEL: "macro_f1",
    Task.QUANTILE: "pinball",
    Task.CLUSTERING: "silhouette",
    Task.ANOMALY: "pr_auc",
}

METRICS: Mapping[str, Metric] = MappingProxyType({known.name: known for known in tables.TABLE})
"""By name; of families (`ndcg_10`, `ndcg_5`, …) the usual ones."""


def metric(name: str, task: Task) -> Metric:
    """The metric of that name.

    Raises:
        NotFound: there is none, or the task does not offer it; names the nearest that it does.
    """
    found = METRICS.get(name) or _of_family(name)
    if found is not None and task in found.tasks:
        return found
    offered = names_for(task)
    near = get_close_matches(name, offered, n=2, cutoff=0.4)
    fix = f"did you mean {' or '.join(near)}? " if near else ""
    raise NotFound(f"{name!r} is not a metric of {task.value} tasks", fix=f"{fix}There are {', '.join(offered) or 'none'}")


def offers(name: str, task: Task) -> bool:
    """Whether the task has a metric of that name."""
    try:
        metric(name, task)
    except NotFound:
        return False
    return True


def names_for(task: Task) -> tuple[str, ...]:
    """The names of a task's metrics, main one first; vectors have none."""
    names = [name for name, known in METRICS.items() if task in known.tasks]
    return tuple(sorted(names, key=lambda name: name != _MAIN.get(task)))


def measurable(task: Task, given: Given = PLAIN) -> tuple[str, ...]:
    """Those of a task's metrics that can be had from what is known, main one first."""
    return tuple(name for name in names_for(task) if METRICS[name].can(given))


def main_metric(task: Task) -> str:
    """The metric that speaks for a task when nobody chose: of order for binary, proper for the others.

    Raises:
        NotFound: nothing says how good a vector is.
    """
    if task not in _MAIN:
        raise NotFound(f"{task.value} answers have no metric", fix="evaluate what is made of them")
    return _MAIN[task]


@cache
def _of_family(name: str) -> Metric | None:
    found = re.fullmatch(r"([a-z_]+)_(\d{1,3})", name)
    family = tables.FAMILIES.get(found[1]) if found else None
    if found is None or family is None or not family.least <= int(found[2]) <= family.most:
        return None
    return family.make(int(found[2]))
