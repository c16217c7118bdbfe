"""From a model, in whatever form somebody has it, to a deployment that answers: what `nr.deploy` and `noria deploy` share."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from noria.app.settings import find_home, keep, read
from noria.app.wiring import build
from noria.core.errors import NotFound, RequestInvalid
from noria.core.registry import Deployment
from noria.core.schema import Signature
from noria.loop.deploying import Deployments, Order
from noria.packaging.encoding import encode
from noria.packaging.inferring import infer_of, read_example, read_signature, shown

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
    home: str | Path | None = None,
    by: str = "",
    reason: str = "",
) -> Deployment:
    """Let a model answer under a name: packaged, checked, registered as the name's next version, and live.

    Args:
        name: Of the deployment; small letters, digits and dashes. Deploying again makes the next version.
        model: A model file's path, a fitted model (LightGBM, scikit-learn, ONNX), or a version such as "late-arrival@3".
        example: Rows as callers will send them, as a file's path or a table: they give the fields their kinds,
            and whatever the model is served as must answer them alike.
        signature: What the model takes and gives, or a JSON file that says so; read from model and example when left out.
        answers: A column of the example with what the model answered where it was made: it must answer so here.
        home: Noria's folder; the nearest `.noria` when left out, made in the current folder where there is none.

    Raises:
        ArtifactRejected: the model could run code, or does not answer as it should.
        DataInvalid: the example does not fit the model.
        NotAllowed: the name is a loop's.
    """
    deployments = Deployments(build(read(_home(home))))
    who = by or getpass.getuser()
    registered = _REGISTERED.fullmatch(str(model)) if isinstance(model, (str, Path)) and not Path(model).exists() else None
    if registered:
        return deployments.deploy_version(name, registered[1], int(registered[2]), by=who, reason=reason)
    return deployments.deploy(order(name, model, example=example, signature=signature, answers=answers), by=who, reason=reason)


def order(name: str, model: Any, *, example: Any = None, signature: Signature | str | Path | None = None, answers: str = "") -> Order:
    """A model with its signature and example rows, as the registry wants it; see `deploy`."""
    content, origin = _content(model)
    rows = None if example is None else _table(example)
    told = signature if isinstance(signature, Signature) else None if signature is None else read_signature(_file(signature).read_bytes())
    if told is None:
        told = infer_of(content)
        told = told if rows is None else shown(told, rows)
    sample, known = np.empty((0, len(told.features))), None
    if rows is not None:
        rows = rows.head(EXAMPLE_ROWS)
        sample = encode(rows, told.features)
        known = _answers(rows, answers) if answers else None
    return Order(name=name, model=content, signature=told, sample=sample, origin=origin, answers=known)


def _content(model: Any) -> tuple[Any, str]:
    if isinstance(model, (str, Path)):
        file = _file(model)
        return file.read_bytes(), file.name
    return model, f"a {type(model).__name__}" if not isinstance(model, (bytes, bytearray)) else "bytes"


def _file(given: str | Path) -> Path:
    file = Path(given).expanduser()
    if not file.is_file():
        raise NotFound(f"there is no file {file}", fix="name a model file, or a version such as late-arrival@3")
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
