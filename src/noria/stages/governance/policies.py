"""Policies on fairness: versioned data, one file for each jurisdiction. No legal advice: they say what is measured, and what follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from noria.core.declaration.conduct import ACTIONS
from noria.core.errors import NotFound
from noria.core.examination.fairness import MEASURES

FOLDER = "packs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One limit of a policy, and what follows when it is shown to be passed: "block", "approve" or "report"."""

    measure: str
    limit: float
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is measured between groups somewhere, from when on, and what follows."""

    name: str
    jurisdiction: str
    version: str
    source: str
    rules: tuple[Rule, ...]
    note: str = ""


def names() -> list[str]:
    """The policies that Noria ships."""
    return sorted(file.name.removesuffix(".json") for file in _folder().iterdir() if file.name.endswith(".json"))


def policy(of: str | Mapping[str, Any]) -> Policy:
    """The policy of that name, or the one that a mapping holds.

    Raises:
        NotFound: there is none of that name.
        ValueError: the mapping lacks something, or asks for what does not exist.
    """
    told = _shipped(of) if isinstance(of, str) else of
    lacks = [name for name in ("jurisdiction", "version", "source", "rules") if not told.get(name)]
    if lacks:
        raise ValueError(f"a policy needs {', '.join(lacks)}")
    return Policy(
        name=str(told.get("name", "own")),
        jurisdiction=str(told["jurisdiction"]),
        version=str(told["version"]),
        source=str(told["source"]),
        note=str(told.get("note", "")),
        rules=tuple(_rule(rule) for rule in told["rules"]),
    )


def _shipped(name: str) -> Mapping[str, Any]:
    if name not in names():
        raise NotFound(f"there is no policy {name!r}", fix=f"there are {', '.join(names())}; or give your own as a mapping")
    return dict(json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8")))


def _rule(told: Mapping[str, Any]) -> Rule:
    rule = Rule(measure=str(told.get("measure", "")), limit=float(told.get("limit", "nan")), action=str(told.get("action", "")))
    if rule.measure not in MEASURES:
        raise ValueError(f"a rule asks for {rule.measure!r}; there are {', '.join(MEASURES)}")
    if rule.action not in ACTIONS:
        raise ValueError(f"a rule's action is {rule.action!r}; there are {', '.join(ACTIONS)}")
    if not rule.limit >= 0.0:
        raise ValueError(f"the rule on {rule.measure} has no limit")
    return rule


def _folder() -> Any:
    return files(__package__) / FOLDER
