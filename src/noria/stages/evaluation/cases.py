"""Cases: rows whose answers are known to people, kept with the loop as a regression suite of single cases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from noria.core.declaration.conduct import BehaviourGate
from noria.core.errors import DataInvalid
from noria.core.examination.stress import Behaviour, Example
from noria.core.schema import THRESHOLD, Field, Kind
from noria.ports.tables import DTYPES, as_kind
from noria.stages.evaluation.behaviour import TOLERANCE, share_of
from noria.stages.evaluation.stress import Answer

EXPECTED = ("expect", "at_least", "at_most")
SHOWN = 20


def expected(
    gate: BehaviourGate,
    answer: Answer,
    *,
    fields: Sequence[Field],
    inputs: Sequence[Field] = (),
    classes: Sequence[str],
    folder: Path,
    threshold: float = THRESHOLD,
) -> Behaviour:
    """Ask the candidate every case, and name those that it answers otherwise.

    Args:
        fields: The features; what a case lacks of them is missing.
        inputs: What else a case may say: fields of a request that features are computed from.
        classes: In the order of the probabilities; empty where numbers are answered.
        folder: Where a file of cases is looked for.

    Raises:
        DataInvalid: the cases cannot be read, or a value does not fit its feature.
    """
    cases = read_cases(gate.cases, folder)
    said = {name for case in cases for name in case}
    told = [*fields, *(field for field in inputs if field.name in said)]
    answers = answer(pl.DataFrame([_column(field, cases) for field in told]))
    missed: list[Example] = []
    for place, (case, given) in enumerate(zip(cases, answers, strict=True)):
        wrong = _miss(case, np.atleast_1d(given), classes, threshold, TOLERANCE if gate.tolerance is None else gate.tolerance)
        if wrong is not None:
            missed.append(Example(key=str(case.get("name") or place + 1), change="", before=wrong[0], after=wrong[1]))
    return Behaviour(
        test="expected",
        name=str(gate),
        subject=gate.cases if isinstance(gate.cases, str) else f"{len(cases)} cases",
        tried=len(cases),
        violated=share_of(np.arange(len(cases)) < len(missed), None),
        worst=tuple(missed[:SHOWN]),
    )


def read_cases(cases: str | Sequence[Mapping[str, Any]], folder: Path) -> list[Mapping[str, Any]]:
    """The cases, each as a mapping.

    Raises:
        DataInvalid: the file cannot be read, there is no case, or one says nothing of what is expected.
    """
    read = _read(folder / cases) if isinstance(cases, str) else list(cases)
    if not read:
        raise DataInvalid("there are no cases", fix="write at least one")
    for place, case in enumerate(read):
        if all(case.get(word) is None for word in EXPECTED):
            raise DataInvalid(f"case {place + 1} expects nothing", fix="give it `expect`, `at_least` or `at_most`")
    return read


def _read(file: Path) -> list[Mapping[str, Any]]:
    try:
        if file.suffix in (".jsonl", ".ndjson"):
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return list((pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file)).to_dicts())
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"the cases in {file.name} cannot be read: {error}", fix="keep them beside the loop file") from error


def _column(field: Field, cases: Sequence[Mapping[str, Any]]) -> pl.Series:
    values = [case.get(field.name) for case in cases]
    if all(value is None for value in values):
        return pl.Series(field.name, values, dtype=DTYPES[field.kind])
    try:
        if field.kind is Kind.TEXT:
            return pl.Series(field.name, [None if value is None else str(value) for value in values])
        return as_kind(pl.Series(field.name, values), field.kind).alias(field.name)
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"{field.name!r} of a case is no {field.kind}: {error}", fix="mend the cases") from error


def _miss(case: Mapping[str, Any], given: np.ndarray, classes: Sequence[str], threshold: float, tolerance: float) -> tuple[str, str] | None:
    """What was expected of a case and what came, in words; None when it holds."""
    expect, least, most = (case.get(word) for word in EXPECTED)
    number = float(given[classes.index(str(case["of"]))] if case.get("of") and len(given) > 1 else given.max())
    if expect is not None and classes:
        said = classes[int(given.argmax())] if len(given) > 1 else classes[int(number >= threshold)]
        wanted = str(expect).lower() if isinstance(expect, bool) else str(expect)
        if said != wanted:
            return wanted, f"{said} ({number:.3g})"
    elif expect is not None and abs(number - float(expect)) > tolerance:
        return f"{float(expect):g}", f"{number:.4g}"
    if least is not None and number < float(least):
        return f"at least {float(least):g}", f"{number:.4g}"
    if most is not None and number > float(most):
        return f"at most {float(most):g}", f"{number:.4g}"
    return None
