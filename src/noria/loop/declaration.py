"""Finds every mistake in a declaration before anything runs, all at once, each with its mend."""

from __future__ import annotations

import difflib
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from noria.core.declaration.dataset import Columns, Dataset, Label
from noria.core.declaration.features import FeatureView, OnDemand
from noria.core.declaration.loop import Loop
from noria.core.declaration.training import Choice
from noria.core.errors import DataInvalid, DeclarationInvalid
from noria.core.schema import LOOP_TASKS, Kind, Task
from noria.loop.declared_comparisons import mistakes_of_comparing
from noria.loop.declared_conduct import Known, mistakes_of_conduct
from noria.loop.declared_family import mistakes_of_family
from noria.loop.declared_metrics import mistakes_of_metrics
from noria.loop.declared_policies import mistakes_of_policies
from noria.loop.mistakes import nearest
from noria.loop.source import anchored, datasets, load, views
from noria.stages.data.source import columns_of, open_source


@dataclass(slots=True)
class Findings:
    """Mistakes as they are found, each said with its file and loop."""

    where: str
    said: list[str] = field(default_factory=list)

    def add(self, part: str, wrong: str, mend: str) -> None:
        """Note one mistake and how to mend it."""
        self.said.append(f"{self.where} · {part}: {wrong} → {mend}")

    def unknown(self, part: str, what: str, name: str, known: Iterable[str]) -> None:
        """Note a name that is not among the known ones; the nearest is the mend."""
        self.add(part, f"{what} {name!r} does not exist", nearest(name, known))


def check(file: Path) -> list[Loop]:
    """Load a file and return its loops, whole and sound.

    Raises:
        DeclarationInvalid: with every mistake in the file.
    """
    loops = load(file)
    said: list[str] = []
    for name, times in Counter(loop.name for loop in loops).items():
        if times > 1:
            said.append(f"{file.name} · {name}: {times} loops have this name → give each its own")
    for loop in loops:
        said += mistakes(loop, file)
    if said:
        raise DeclarationInvalid(said)
    return loops


def mistakes(loop: Loop, file: Path) -> list[str]:
    """Every mistake in one loop, in words."""
    found = Findings(f"{file.name} · {loop.name}")
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,62}", str(loop.name)):
        found.add("name", f"{loop.name!r} cannot be a name", "use lower-case letters, digits and dashes")
    schemas = _schemas(loop, file.parent, found)
    if schemas is None:
        return found.said
    _check_datasets(loop, schemas, found)
    _check_label(loop, schemas, found)
    produced = _check_features(loop, schemas, file.parent, found)
    tasks = _possible_tasks(loop, schemas)
    for part, wrong, mend in mistakes_of_metrics(loop, tasks, produced):
        found.add(part, wrong, mend)
    _check_search(loop, found)
    known = Known(columns=schemas[loop.label.columns.dataset.name], features=produced, tasks=tasks, folder=file.parent)
    for mistakes_of in (mistakes_of_conduct, mistakes_of_family):
        for part, wrong, mend in mistakes_of(loop, known):
            found.add(part, wrong, mend)
    for part, wrong, mend in (*mistakes_of_policies(loop), *mistakes_of_comparing(loop)):
        found.add(part, wrong, mend)
    return found.said


def _schemas(loop: Loop, folder: Path, found: Findings) -> dict[str, dict[str, Kind]] | None:
    schemas: dict[str, dict[str, Kind]] = {}
    by_name: dict[str, Dataset] = {}
    features: Sequence[object] = loop.features
    for feature in features:
        if not isinstance(feature, (Columns, FeatureView, OnDemand)):
            found.add("features", f"{feature!r} is not a feature", 'list columns `data["a", "b"]`, feature views and on-demand transforms')
        elif not isinstance(feature, OnDemand):
            other = by_name.setdefault(feature.dataset.name, feature.dataset)
            if other is not feature.dataset:
                found.add("datasets", f"two datasets are named {other.name!r}", "give each its own name")
    for name, dataset in datasets(loop).items():
        try:
            schemas[name] = {column.name: column.kind for column in columns_of(anchored(dataset, folder))}
        except DataInvalid as error:
            found.add(f"dataset {name}", error.message, error.fix or "mend the source")
    return None if len(schemas) < len(datasets(loop)) else schemas


def _check_datasets(loop: Loop, schemas: dict[str, dict[str, Kind]], found: Findings) -> None:
    for name, dataset in datasets(loop).items():
        columns = schemas[name]
        for role in ("key", "time", "known"):
            column = getattr(dataset, role)
            if not column:
                continue
            if column not in columns:
                found.unknown(f"dataset {name}", f"{role} column", column, columns)
            elif role != "key" and columns[column] is not Kind.TIME:
                found.add(f"dataset {name}", f"{role} column {column!r} holds {columns[column]}", "make it a date or time column")
        for expectation in dataset.expect:
            if expectation.column not in columns:
                found.unknown(f"dataset {name}", "expected column", expectation.column, columns)


def _check_label(loop: Loop, schemas: dict[str, dict[str, Kind]], found: Findings) -> None:
    label = loop.label
    columns = schemas[label.columns.dataset.name]
    if len(label.columns.names) != 1:
        found.add("label", f"{len(label.columns.names)} columns are named", "name one")
    elif label.column not in columns:
        found.unknown("label", "column", label.column, columns)
    if label.task and label.task not in tuple(Task):
        found.unknown("label", "task", label.task, Task)
    elif label.task in (Task.RANKING, Task.FORECAST) or label.together:
        _check_together(label, columns, found)
    elif label.task and label.task not in LOOP_TASKS:
        found.add(
            "label",
            f"a loop cannot serve a {label.task} model, which answers more than one number per row",
            f"declare {', '.join(LOOP_TASKS)}; judge a {label.task} model with `noria.evaluate`",
        )


def _check_together(label: Label, columns: dict[str, Kind], found: Findings) -> None:
    """A ranking is judged within queries, a forecast along series."""
    if label.group and label.task != Task.RANKING:
        found.add("label", f"group={label.group!r} belongs to a ranking", 'write task="ranking", or leave it out')
    if label.series and label.task != Task.FORECAST:
        found.add("label", f"series={label.series!r} belongs to a forecast", 'write task="forecast", or leave it out')
    if label.task == Task.RANKING and not label.group:
        found.add(
            "label",
            "a ranking is judged within queries, and none are named",
            'name the column: nr.Label(…, task="ranking", group="query_id")',
        )
    if label.task in (Task.RANKING, Task.FORECAST) and columns.get(label.column) is Kind.TEXT:
        found.add("label", f"column {label.column!r} holds text", f"a {label.task} is of numbers")
    if label.together and label.together not in columns:
        found.unknown("label", "column", label.together, columns)


def _check_features(loop: Loop, schemas: dict[str, dict[str, Kind]], folder: Path, found: Findings) -> set[str]:
    """Checks the features and returns the names of the columns that they give."""
    if not loop.features:
        found.add("features", "there are none", "name at least one column")
    base = loop.label.columns.dataset
    produced: list[str] = []
    for feature in loop.features:
        if isinstance(feature, Columns):
            produced += _check_columns(feature, base, loop, schemas, found)
        elif isinstance(feature, FeatureView):
            produced += _check_view(feature, base, schemas, folder, found)
        elif isinstance(feature, OnDemand):
            produced += _check_on_demand(feature, base, loop, schemas, folder, found)
    for name, times in Counter(produced).items():
        if times > 1:
            found.add("features", f"{name!r} comes from {times} places", "rename it in one of them")
    for name, times in Counter(view.name for view in views(loop)).items():
        if times > 1:
            found.add("features", f"two feature views are named {name!r}", "give each its own name")
    return set(produced)


def _check_columns(feature: Columns, base: Dataset, loop: Loop, schemas: dict[str, dict[str, Kind]], found: Findings) -> list[str]:
    if feature.dataset.name != base.name:
        found.add(
            "features",
            f"columns of {feature.dataset.name!r} cannot be joined to {base.name!r} as they are",
            f"wrap them in `@nr.feature_view({feature.dataset.name}, entity=…)`",
        )
        return []
    for name in feature.names:
        if name not in schemas[base.name]:
            found.unknown("features", f"column of {base.name}", name, schemas[base.name])
        if name == loop.label.column:
            found.add("features", f"the label {name!r} is among the features", "take it out: the model would only learn to copy it")
    return [name for name in feature.names if name in schemas[base.name]]


def _check_view(view: FeatureView, base: Dataset, schemas: dict[str, dict[str, Kind]], folder: Path, found: Findings) -> list[str]:
    part = f"feature view {view.name}"
    if view.entity not in schemas[view.dataset.name]:
        found.unknown(part, f"entity column of {view.dataset.name}", view.entity, schemas[view.dataset.name])
        return []
    if view.key not in schemas[base.name]:
        near = difflib.get_close_matches(view.key, schemas[base.name], 1)
        found.add(
            part, f"{base.name!r} has no column {view.key!r} to look it up by", f"write `{view.name}.on({near[0] if near else 'column'!r})`"
        )
    try:
        columns = view.transform(open_source(anchored(view.dataset, folder))).collect_schema().names()
    except Exception as error:  # noqa: BLE001 - the user's own code; said as a mistake of the declaration
        found.add(
            part, f"its function fails: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", "mend the function"
        )
        return []
    for needed in (view.entity, view.dataset.time):
        if needed not in columns:
            found.add(part, f"its function drops {needed!r}", "keep the entity and the time column")
    return [name for name in columns if name not in (view.entity, view.dataset.time, view.dataset.known)]


def _check_on_demand(
    transform: OnDemand, base: Dataset, loop: Loop, schemas: dict[str, dict[str, Kind]], folder: Path, found: Findings
) -> list[str]:
    part = f"on-demand {transform.name}"
    for name in transform.inputs:
        if name not in schemas[base.name]:
            found.unknown(part, f"input (a column of {base.name})", name, schemas[base.name])
        if name == loop.label.column:
            found.add(part, f"reads the label {name!r}", "take it out: it is not known at request time")
    if not set(transform.inputs) <= set(schemas[base.name]):
        return []
    try:
        rows = open_source(anchored(base, folder)).select(transform.inputs).head(0).collect()
        columns = transform.transform(rows).columns
    except Exception as error:  # noqa: BLE001 - the user's own code; said as a mistake of the declaration
        found.add(
            part, f"its function fails: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", "mend the function"
        )
        return []
    return [name for name in columns if name not in transform.inputs]


def _possible_tasks(loop: Loop, schemas: dict[str, dict[str, Kind]]) -> Sequence[Task]:
    if loop.label.task in LOOP_TASKS:
        return (Task(loop.label.task),)
    kind = schemas[loop.label.columns.dataset.name].get(loop.label.column)
    return {Kind.BOOL: (Task.BINARY,), Kind.FLOAT: (Task.REGRESSION,), Kind.TEXT: (Task.BINARY, Task.MULTICLASS)}.get(
        kind or Kind.INT, (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)
    )


def _check_search(loop: Loop, found: Findings) -> None:
    try:
        inspect.signature(loop.train).bind(None, {})
    except TypeError:
        found.add("train", "it cannot be called with (data, params)", "declare `def train(data: nr.Split, params: dict)`")
    if loop.tune is None:
        return
    if loop.tune.trials < 1:
        found.add("tune", f"{loop.tune.trials} trials", "try at least one")
    for name, choice in loop.tune.space.items():
        if not isinstance(choice, Choice) or choice.kind == "choice":
            continue
        if choice.low >= choice.high:
            found.add(f"tune {name}", f"{choice.low:g} to {choice.high:g} is empty", "put the smaller bound first")
        elif choice.kind == "log" and choice.low <= 0:
            found.add(f"tune {name}", f"a logarithmic scale cannot start at {choice.low:g}", "start above zero, or use `nr.real`")
