"""Which tables there are: per group the steps that lead from each format to the next.

A step that was released is never changed: a new one follows it. `{text}`, `{real}`, `{bytes}`, `{serial}`,
`{head}` and `{clustered}` are said by each database in its own words; `serial` is a primary key that counts by itself, and
`clustered` keeps a table's rows in the order of its primary key. Names begin with `noria_`: a database may hold others' tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noria.ports.relations.access import ACCESS
from noria.ports.relations.artifacts import ARTIFACTS
from noria.ports.relations.imports import IMPORTS
from noria.ports.relations.logged import LOGGED
from noria.ports.relations.registry import REGISTRY
from noria.ports.relations.traces import EVALUATION, TRACES
from noria.ports.relations.tracking import TRACKING

GROUPS: Mapping[str, Sequence[Sequence[str]]] = {
    "tracking": TRACKING,
    "registry": REGISTRY,
    "artifacts": ARTIFACTS,
    "logged": LOGGED,
    "traces": TRACES,
    "evaluation": EVALUATION,
    "imports": IMPORTS,
    "access": ACCESS,
}
"""Group to its steps, each a list of statements. A group counts its own steps."""
