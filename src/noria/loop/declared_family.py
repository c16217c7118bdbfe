"""What can be wrong with the family that a loop asks for."""

from __future__ import annotations

from collections.abc import Iterator

from noria.core.declaration.loop import Loop
from noria.core.schema import Kind, Task
from noria.loop.declared_conduct import Known
from noria.loop.mistakes import Mistake, nearest

TASKS = (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)
NAMES = (Kind.TEXT, Kind.INT)


def mistakes_of_family(loop: Loop, known: Known) -> Iterator[Mistake]:
    """Every mistake in `family=`."""
    wanted = loop.family
    if wanted is None:
        return
    if wanted.by == loop.label.column:
        yield "family", f"the label {wanted.by!r} cannot name the partition", "name a field that requests carry"
    elif wanted.by not in known.columns:
        yield "family", f"column {wanted.by!r} does not exist, so no request can carry it", nearest(wanted.by, known.columns)
    elif known.columns[wanted.by] not in NAMES:
        yield "family", f"{wanted.by!r} holds {known.columns[wanted.by]}", "name a column of texts or whole numbers"
    if not set(known.tasks) & set(TASKS):
        yield "family", f"a {' or '.join(known.tasks)} task has no families", f"declare {', '.join(TASKS)}, or leave family= out"
    if wanted.min_rows < 1:
        yield "family", f"min_rows={wanted.min_rows}", "ask for at least one row, 500 are usual"
    if not 0.0 <= wanted.keep < 1.0:
        yield "family", f"keep={wanted.keep:g}", "say which share of the parent's loss must be spared, from 0 to below 1"
    if not 0.0 < wanted.fdr < 1.0:
        yield "family", f"fdr={wanted.fdr:g}", "keep it between 0 and 1; 0.1 is usual"
