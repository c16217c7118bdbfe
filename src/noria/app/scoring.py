"""`nr.score`: whole files through one version, from Python."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from noria.app.settings import find_home, read
from noria.app.wiring import build
from noria.core.errors import RequestInvalid
from noria.core.scoring import Scored, ScoreProgress
from noria.loop.scoring.score import Order
from noria.loop.scoring.score import score as scored


def score(
    which: str,
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    as_of: str | datetime | None = None,
    form: str = "serving",
    threads: int = 0,
    home: str | Path | None = None,
    by: str = "",
    progress: Callable[[ScoreProgress], None] | None = None,
) -> Scored:
    """Let a version answer every row of some files, in bounded memory; called again after a kill, it goes on.

    Features are those of training and of the data plane: columns, on-demand transforms, and
    feature views as of each row's own time. Rows that the data plane would refuse are put aside,
    with the reason, in `quarantine-*.jsonl`.

    Args:
        which: A loop or deployment (its champion), or a version or alias: "late-arrival@3", "late-arrival@challenger".
        inputs: Parquet, CSV or JSON lines files, globs, folders, or a dataset of the loop by name.
        out: A folder, or a file that ends in .parquet. It is complete when the record beside it says so.
        as_of: See feature views as they were at this moment (ISO 8601, UTC) instead.
        form: "serving", the form that answers requests; "native", the model as it was saved.
        threads: That score at the same time; one per core when left out.
        home: Noria's folder; the nearest `.noria` when left out.

    Raises:
        NotFound: there is no such version or input.
        DataInvalid: an input cannot be read, or lacks a column.
    """
    world = build(read(find_home() if home is None else Path(home)))
    order = Order(
        which=which,
        inputs=[inputs] if isinstance(inputs, (str, Path)) else list(inputs),
        out=Path(out),
        as_of=moment_of(as_of),
        form=form,
        threads=threads,
        by=by or getpass.getuser(),
    )
    return scored(world, order, progress=progress or (lambda progress: None))


def moment_of(said: str | datetime | None) -> datetime | None:
    """A moment as it was given, in UTC unless it says otherwise.

    Raises:
        RequestInvalid: it is none.
    """
    if not said:
        return None
    try:
        moment = said if isinstance(said, datetime) else datetime.fromisoformat(said)
    except ValueError:
        raise RequestInvalid(f"{said!r} is no moment", fix="write it as ISO 8601, such as 2026-03-01T12:30:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
