"""From a model, in whatever form somebody has it, to a deployment that answers: what `nr.deploy` and `noria deploy` share."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from noria.app import logged
from noria.app.settings import find_home, keep, read
from noria.app.wiring import build
from noria.core.errors import DataInvalid, NotFound, RequestInvalid
from noria.core.graphs import Chain, Ensemble, Switch
from noria.core.registry import Deployment
from noria.core.schema import Field, Kind, Signature
from noria.core.trusting import Trusted
from noria.loop.bringing import Order
from noria.loop.deploying import Deployments
from noria.loop.source import graph
from noria.loop.world import World
from noria.packaging.encoding import encode, learn_fields
from noria.packaging.inferring import infer_of, read_example, read_signature, shown
from noria.packaging.opening import read_model

EXAMPLE_ROWS = 10_000
"""Rows of an example that are compared, at most."""

_REGISTERED = re.compile(r"([a-z][a-z0-9-]{1,62})@(\d+)")


def deploy(
    name: str,
    model: Any,
    *,
    example: Any = None,
    signature: Signature | str | Path | None = None,
    answers: str = "",
    trust: bool = False,
    files: str | Path | None = None,
    pin: bool | None = None,
    family: Mapping[str, Any] | str | Path | None = None,
    by_field: str = "",
    canary: float | Sequence[float] = (),
    home: str | Path | None = None,
    by: str = "",
    reason: str = "",
) -> Deployment:
    """Let a model answer under a name: packaged, checked, registered as the name's next version, and live.

    Args:
        name: Of the deployment; small letters, digits and dashes. Deploying again makes the next version.
        model: A model file's path, an MLflow model's folder, a fitted model (LightGBM, scikit-learn, ONNX, PyTorch, …),
            a Python class as "file.py:Class" or `nr.trusted(…)`, or a version such as "late-arrival@3"; what MLflow's clients
            logged here, as "models:/churn@champion", "models:/churn/3", "models:/m-…" or "runs:/ID/model". Or deployments that are asked together: an `nr.Ensemble`, `nr.Chain` or `nr.Switch`, or the "file.py" that declares one.
        example: Rows as callers will send them, as a file's path or a table: they give the fields their kinds,
            and whatever the model is served as must answer them alike.
        signature: What the model takes and gives, or a JSON file that says so; read from model and example when left out.
        answers: A column of the example with what the model answered where it was made: it must answer so here.
        trust: Whether code that the model brings may run, in processes of its own; the setting `trust_python` says so for all.
        files: A folder that is kept with a Python class.
        family: Models of partitions, which answer the rows of theirs; the model itself answers all others. A mapping of
            partition to model, or a folder of files named by partition, such as `shop-7.txt`.
        by_field: Of a family: the request field that names the partition.
        pin: Whether the model stays loaded, however many others there are; as before when left out.
        canary: Percent of the requests that the new version answers first, the version of now the others: 10 waits for
            `noria promote` or `noria rollback`, [10, 50, 100] goes up by itself; harm takes it out either way.
        home: Noria's folder; the nearest `.noria` when left out, made in the current folder where there is none.

    Raises:
        ArtifactRejected: the model could run code, or does not answer as it should.
        DataInvalid: the example does not fit the model.
        NotAllowed: the name is a loop's.
        RequestInvalid: a graph's members are not there, or do not fit together.
    """
    settings = read(_home(home))
    world = build(settings)
    deployments = Deployments(world)
    who = by or getpass.getuser()
    shares = (float(canary),) if isinstance(canary, (int, float)) else tuple(canary)
    if isinstance(model, str) and _REGISTERED.fullmatch(model) and not Path(model).exists():
        loop, number = registered(model)
        return deployments.deploy_version(name, loop, number, by=who, reason=reason, canary=shares)
    if isinstance(model, str) and logged.LOGGED.fullmatch(model):
        return deploy_logged(
            world,
            name,
            model,
            Given(example=example, signature=signature, answers=answers, trust=trust or settings.trust_python),
            pin=pin,
            by=who,
            reason=reason,
            canary=shares,
        )
    if isinstance(model, Path | str) and Path(model).suffix == ".py":
        model = graph(Path(model).expanduser(), name)
    if isinstance(model, Ensemble | Chain | Switch):
        _refuse_beside_graph(
            canary=shares or None, example=example, signature=signature, answers=answers, files=files, family=family, pin=pin
        )
        return deployments.deploy_graph(name, model, by=who, reason=reason)
    told: dict[str, Any] = {"signature": signature, "answers": answers, "trust": trust or settings.trust_python, "files": files}
    if family is None:
        made = order(name, model, example=example, **told)
    else:
        made = _of_family(name, model, family, by_field, example=example, **told)
    return deployments.deploy(replace(made, pinned=pin), by=who, reason=reason, canary=shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is told beside a model, see `deploy`."""

    example: Any = None
    signature: Signature | str | Path | None = None
    answers: str = ""
    trust: bool = False


def deploy_logged(
    world: World,
    name: str,
    uri: str,
    given: Given,
    *,
    pin: bool | None = None,
    by: str,
    reason: str,
    canary: tuple[float, ...] = (),
) -> Deployment:
    """Let a model that an MLflow client logged here answer: fetched by digest, read and trusted as any folder of MLflow's.

    Raises:
        NotFound: there is no such model.
        ArtifactRejected: it can only be opened by running what is in it, and nobody trusts it.
    """
    deployments, found = Deployments(world), logged.find(world, uri)
    if found.own:
        return deployments.deploy_version(name, found.model, found.number, by=by, reason=reason, canary=canary)
    with logged.fetched(world, found) as folder:
        made = order(
            name,
            folder,
            example=given.example,
            signature=given.signature,
            answers=given.answers,
            trust=given.trust,
            origin=found.origin,
        )
        done = deployments.deploy(replace(made, pinned=pin), by=by, reason=reason, canary=canary)
    logged.note(world, found, f"{done.name}@{done.version}", by=by)
    return done


def _refuse_beside_graph(**given: object) -> None:
    """A graph is held against its members: there is nothing else to give.

    Raises:
        RequestInvalid: something was given.
    """
    named = [name for name, value in given.items() if value not in (None, "")]
    if named:
        raise RequestInvalid(f"a graph has no {named[0]} of its own: its members have", fix=f"leave {', '.join(named)} out")


def registered(version: str) -> tuple[str, int]:
    """The model and the number of a version such as "late-arrival@3".

    Raises:
        RequestInvalid: it is written in another way.
    """
    found = _REGISTERED.fullmatch(version)
    if found is None:
        raise RequestInvalid(f"{version[:100]!r} is no version", fix="write it such as late-arrival@3")
    return found[1], int(found[2])


def order(
    name: str,
    model: Any,
    *,
    example: Any = None,
    signature: Signature | str | Path | None = None,
    answers: str = "",
    origin: str = "",
    trust: bool = False,
    files: str | Path | None = None,
) -> Order:
    """A model with its signature and example rows, as the registry wants it; see `deploy`."""
    given = signature if isinstance(signature, Signature) or signature is None else read_signature(_file(signature).read_bytes())
    content, told, found = _opened(model, given, trust=trust, files=files)
    rows = None if example is None else _table(example)
    if given is None and rows is not None and not _whole(told):
        told = shown(told, rows)
    sample, known = np.empty((0, len(told.features))), None
    if rows is not None and not _whole(told):
        rows = rows.head(EXAMPLE_ROWS)
        sample = encode(rows, told.features)
        known = _answers(rows, answers) if answers else None
    return Order(name=name, model=content, signature=told, sample=sample, origin=origin or found, answers=known)


def _of_family(name: str, model: Any, family: Mapping[str, Any] | str | Path, by: str, *, example: Any, **told: Any) -> Order:
    rows = None if example is None else _table(example)
    if rows is None or by not in rows.columns:
        return _with_family(order(name, model, example=rows, **told), family, by, rows)
    try:
        parent = order(name, model, example=rows.drop(by), **told)
    except DataInvalid:
        parent = order(name, model, example=rows, **told)
    return _with_family(parent, family, by, rows)


def _with_family(parent: Order, family: Mapping[str, Any] | str | Path, by: str, rows: pl.DataFrame | None) -> Order:
    if not by:
        raise RequestInvalid("a family needs the name of the field that its partitions are told by", fix="name it: by_field, or --by-field")
    models = family if isinstance(family, Mapping) else {file.stem: file for file in sorted(Path(family).iterdir()) if file.is_file()}
    if not models:
        raise RequestInvalid("there is no model in the family", fix="give a mapping of partition to model, or a folder of model files")
    kind = learn_fields(rows, [by])[0].kind if rows is not None and by in rows.columns else Kind.TEXT
    inputs = parent.signature.inputs
    if by not in {field.name for field in inputs}:
        inputs = (*inputs, Field(name=by, kind=kind, required=False))
    members = {str(value): order(parent.name, model, example=_rows_of(rows, by, str(value))) for value, model in models.items()}
    return replace(parent, signature=replace(parent.signature, inputs=inputs), by=by, members=members)


def _rows_of(rows: pl.DataFrame | None, by: str, value: str) -> pl.DataFrame | None:
    """The example rows of a partition, or all where it has none; without the field that names it, unless there is nothing else."""
    if rows is None or by not in rows.columns:
        return rows
    own = rows.filter(pl.col(by).cast(pl.String) == value)
    return (own if own.height else rows).drop(by)


def _opened(model: Any, given: Signature | None, *, trust: bool, files: str | Path | None) -> tuple[Any, Signature, str]:
    if isinstance(model, (str, Path)):
        place = Path(model).expanduser()
        return *read_model(place, signature=given, trust=trust, files=files), place.name
    if isinstance(model, Trusted) and given is None:
        raise RequestInvalid("a Python class does not say what it takes and gives", fix="give a signature")
    return model, given or infer_of(model), "bytes" if isinstance(model, (bytes, bytearray)) else f"a {type(model).__name__}"


def _whole(signature: Signature) -> bool:
    """Whether a row holds things that have no place in a matrix of numbers."""
    return any(field.kind.whole for field in signature.features)


def _file(given: str | Path) -> Path:
    file = Path(given).expanduser()
    if not file.is_file():
        raise NotFound(f"there is no file {file}", fix="name a file, absolute or seen from the current folder")
    return file


def _table(example: Any) -> pl.DataFrame:
    if isinstance(example, (str, Path)):
        return read_example(_file(example))
    try:
        return example if isinstance(example, pl.DataFrame) else pl.DataFrame(example)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise RequestInvalid(f"the example is no table: {error}", fix="give a data frame, a dictionary of columns, or a file") from error


def _answers(rows: pl.DataFrame, column: str) -> np.ndarray:
    if column not in rows.columns:
        raise RequestInvalid(f"the example has no column {column!r} with the model's answers")
    found = rows[column]
    return np.asarray(found.to_list(), dtype=np.float64)


def _home(home: str | Path | None) -> Path:
    """The home that is named, or the nearest; a new one here where there is none yet."""
    named = home or os.environ.get("NORIA_HOME")
    try:
        folder = Path(named).expanduser().resolve() if named else find_home()
    except NotFound:
        folder = Path.cwd() / ".noria"
    if not (folder / "settings.json").exists():
        keep(read(folder))
    return folder
