"""Looks over a training table before anything is trained on it: what holds the answer, and what spoils the marks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from noria.core.declaration.inspection import Leakage
from noria.core.examination.leakage import Finding, LeakageReport
from noria.stages.evaluation.leak_columns import constant, from_the_future, id_like
from noria.stages.evaluation.leak_rows import conflicting, duplicates, on_both_sides
from noria.stages.evaluation.leak_table import KEY, Table
from noria.stages.evaluation.leak_target import copies, target_drift


def look_over(table: Table, declared: Leakage) -> LeakageReport:
    """Make every check; one that cannot be made is told as skipped, and none raises."""
    checks: Mapping[str, Callable[[], Iterator[Finding]]] = {
        "label-copy": lambda: copies(table),
        "from-the-future": lambda: from_the_future(table),
        "duplicates": lambda: duplicates(table.old, table.new, table.names),
        "groups-on-both-sides": lambda: _groups(table, declared),
        "conflicting-labels": lambda: conflicting(table.frame, table.names),
        "id-like": lambda: id_like(table),
        "constant": lambda: constant(table),
        "target-drift": lambda: target_drift(table),
    }
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    for name, check in checks.items():
        try:
            findings += check()
        except Exception as error:  # noqa: BLE001 - a check of odd data must not cost the turn; it is recorded
            skipped[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
    told = [replace(one, allowed=declared.allows(one.check, one.column)) for one in findings]
    return LeakageReport(
        rows=table.frame.height,
        features=len(table.fields),
        checked=tuple(checks),
        findings=tuple(sorted(told, key=lambda one: (one.allowed, one.severity != "stop"))),
        skipped=skipped,
    )


def _groups(table: Table, declared: Leakage) -> Iterator[Finding]:
    yield from on_both_sides(table.old[KEY], table.new[KEY], declared=False)
    for name in declared.groups:
        values = table.groups[name] if name in table.groups.columns else table.frame[name]
        yield from on_both_sides(values.head(table.trains), values.slice(table.trains), declared=True)
