"""Scores whole files by one version: from rows as training reads them to a Parquet table of answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import Feature, FeatureView, OnDemand
from noria.core.errors import NotAllowed, NotFound, RequestInvalid
from noria.core.ids import digest_of
from noria.core.registry import Deployment, ModelVersion
from noria.core.schema import Field
from noria.core.scoring import Scored, ScoreProgress
from noria.core.state import LoopState
from noria.loop.parity import declared_by, sources
from noria.loop.scoring import inputs
from noria.loop.scoring.answers import Answerer, Answers
from noria.loop.scoring.flow import in_order
from noria.loop.scoring.folder import Output, PartWriter
from noria.loop.source import anchored, datasets
from noria.loop.world import Declared, World
from noria.packaging import package
from noria.packaging.family_scorer import FamilyScorer
from noria.packaging.scorer import MATRIX, Scorer, takes
from noria.ports import wire
from noria.stages.features.prepared import PreparedFeatures
from noria.stages.registry import aliases, versions

PART_ROWS = 1_000_000
"""Rows of one part: what a killed run has to do again at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What shall be scored, and how.

    Attributes:
        which: A loop or deployment, its champion's version; or one of its versions or aliases: `late-arrival@3`, `late-arrival@challenger`.
        inputs: Files, globs, folders, or the name of one of the loop's datasets.
        out: A folder, or a file that ends in .parquet.
        as_of: The moment that feature views are seen at; None = each row's own time.
        form: "serving", the form that answers requests; or "native", the model as it was saved.
        threads: That score at the same time; 0 = one per core.
    """

    which: str
    inputs: Sequence[str | Path]
    out: Path
    as_of: datetime | None = None
    form: str = "serving"
    threads: int = 0
    by: str = "noria"
    part_rows: int = PART_ROWS


def score(world: World, order: Order, *, progress: Callable[[ScoreProgress], None] = lambda progress: None) -> Scored:
    """Score, or go on where an earlier run of the same order was cut off.

    A run that is interrupted (KeyboardInterrupt) keeps what it has done.

    Raises:
        NotFound: there is no such version, or no such input.
        DataInvalid: an input cannot be read, or lacks a column that the model takes.
        NotAllowed, Conflict: the output's place is taken.
    """
    version = resolved(world, order.which)
    job = _Job(world, order, version)
    output = Output(order.out.absolute())
    with output.opened():
        record = output.begun(job.record(output.out))
        if record.complete:
            progress(ScoreProgress(share=1.0, rows=record.rows + record.bad))
            return record
        began = perf_counter()
        try:
            for done in job.run(output, record, progress):
                record = done
                output.keep(record)
        finally:
            record = replace(record, seconds=record.seconds + perf_counter() - began)
            output.keep(record)
        output.finish(record)
        record = replace(record, complete=True)
        output.keep(record)
        output.tidy()
    job.tell(record)
    return record


def resolved(world: World, which: str) -> ModelVersion:
    """The version that a name means: `loop` (its champion), `loop@3` or `loop@alias`.

    Raises:
        NotFound: there is none.
    """
    model, _, rest = which.partition("@")
    known = world.documents.get(LoopState, model) or world.documents.get(Deployment, model)
    if known is None:
        names = [one.name for one in world.documents.find(LoopState)] + [one.name for one in world.documents.find(Deployment)]
        raise NotFound(f"there is no loop or deployment {model!r}; there are {', '.join(names[:20]) or 'none yet'}", fix="name one")
    if rest.removeprefix("v").isdigit():
        return versions.get(world.records, model, int(rest.removeprefix("v")))
    alias = rest or aliases.CHAMPION
    number = aliases.current(world.records, model, alias)
    if number is None:
        raise NotFound(f"{model!r} has no {alias}", fix=f"name a version, such as {model}@1")
    return versions.get(world.records, model, number)


class _Job:
    """One order on one version."""

    def __init__(self, world: World, order: Order, version: ModelVersion) -> None:
        self._world, self._order, self._version = world, order, version
        signature = version.candidate.signature
        declared = self._declared()
        self._features: Sequence[Feature] = () if declared is None else declared.loop.features
        self._files = inputs.found(self._named(declared))
        if not self._files:
            raise NotFound("there is no file to score", fix="name Parquet, CSV or JSON lines files")
        views = [feature for feature in self._features if isinstance(feature, FeatureView)]
        self._sources: dict[str, DatasetVersion] = sources(world, declared) if declared is not None and views else {}
        self._threads = order.threads or os.cpu_count() or 1
        if order.form not in ("serving", "native"):
            raise RequestInvalid(f"there is no form {order.form!r}", fix='say "serving" or "native"')
        artifact = version.candidate.artifact
        scorer: Scorer = (
            FamilyScorer(artifact, version.family, blobs=world.blobs, form=order.form)
            if version.family
            else package.load(artifact, blobs=world.blobs, form=order.form)
        )
        if takes(scorer) != MATRIX:
            raise NotAllowed(
                f"{version.model}@{version.number} takes arrays, and files of rows hold numbers and text", fix="ask it over HTTP"
            )
        self._wanted = _wanted(
            version,
            self._features,
            timed=bool(views) and order.as_of is None,
            also=[scorer.by] if isinstance(scorer, FamilyScorer) else [],
        )
        prepared = PreparedFeatures(self._features, self._sources, blobs=world.blobs) if self._features else None
        self._answerer = Answerer(scorer, version.number, self._wanted, prepared, self._features, order.as_of)
        self._signature = signature

    def record(self, out: Path) -> Scored:
        """What identifies this work: the same record is gone on with, another one begins anew."""
        version = self._version
        return Scored(
            model=version.model,
            version=version.number,
            artifact=version.candidate.artifact,
            code=version.code,
            form=self._order.form,
            as_of=self._order.as_of,
            views={name: source.digest for name, source in sorted(self._sources.items())},
            inputs=tuple(map(inputs.identity, self._files)),
            out=str(out),
        )

    def run(self, output: Output, record: Scored, progress: Callable[[ScoreProgress], None]) -> Iterator[Scored]:
        """The record after each finished part. An interruption ends the part at hand where it is, and goes through."""
        pace = _Pace(record, progress)
        record = replace(record, threads=self._threads)
        yield record
        for place, told in enumerate(record.inputs):
            start = sum(part.rows for part in record.parts if part.input == place)
            writer: PartWriter | None = None
            try:
                for made in self._answers(Path(told.path), start):
                    if writer is None:
                        writer = output.part(len(record.parts), place, made.start)
                    writer.add(made.table, made.bad, made.rows, told.path)
                    pace.step(place, made)
                    if writer.rows >= self._order.part_rows:
                        record, writer = _with(record, writer), None
                        yield record
            except KeyboardInterrupt:
                if writer is not None:
                    yield _with(record, writer)
                raise
            except BaseException:
                if writer is not None:
                    writer.drop()
                raise
            if writer is not None:
                record = _with(record, writer)
                yield record

    def tell(self, record: Scored) -> None:
        """Write into the ledger what was scored."""
        version = self._version
        self._world.ledger.write(
            self._world.ledger.event(
                "scored",
                loop=version.model,
                subject=f"{version.model}@{version.number}",
                by=self._order.by,
                reasons=(f"{record.rows:,} rows of {len(record.inputs)} file(s) scored into {record.out}, {record.bad:,} put aside",),
                numbers={"rows": record.rows, "bad": record.bad, "files": len(record.inputs), "seconds": round(record.seconds, 3)},
                made_from=(
                    record.artifact,
                    digest_of(wire.dump(record.inputs)),
                    digest_of(wire.dump([part.digest for part in record.parts])),
                ),
            )
        )

    def _answers(self, file: Path, start: int) -> Iterator[Answers]:
        return in_order(inputs.chunks(file, self._wanted, start), self._answerer.answer, self._threads)

    def _declared(self) -> Declared | None:
        """The loop that the version's features come from; None where all of them are fields of a row."""
        if not self._version.code:
            return None
        loop = (self._version.origin or self._version.model).partition("@")[0]
        return declared_by(self._world, loop, self._version)

    def _named(self, declared: Declared | None) -> list[str | Path]:
        """The inputs, with names of datasets as their files."""
        known = {} if declared is None else datasets(declared.loop)
        named: list[str | Path] = []
        for one in self._order.inputs:
            if declared is not None and str(one) in known and not Path(one).exists():
                source = anchored(known[str(one)], declared.folder).source
                if not isinstance(source, (str, Path)):
                    raise NotAllowed(f"dataset {one!r} is a table in memory", fix="write it to a file and name that")
                named.append(source)
            else:
                named.append(one)
        return named


class _Pace:
    """Tells how far the work is and how fast it goes."""

    def __init__(self, record: Scored, progress: Callable[[ScoreProgress], None]) -> None:
        self._progress = progress
        self._sizes = [one.size_bytes for one in record.inputs]
        self._total = max(sum(self._sizes), 1)
        self._rows = sum(part.rows for part in record.parts)
        self._began, self._read, self._from = perf_counter(), 0, -1.0

    def step(self, place: int, made: Answers) -> None:
        self._read += made.rows
        share = (sum(self._sizes[:place]) + made.share * self._sizes[place]) / self._total
        if self._from < 0:
            self._from = share
        elapsed, gained = perf_counter() - self._began, share - self._from
        left = elapsed * (1 - share) / gained if gained > 0 else float("nan")
        self._progress(ScoreProgress(share=share, rows=self._rows + self._read, rows_per_s=self._read / max(elapsed, 1e-9), left_s=left))


def _with(record: Scored, writer: PartWriter) -> Scored:
    part = writer.finish()
    return replace(record, parts=(*record.parts, part), rows=record.rows + part.rows - part.bad, bad=record.bad + part.bad)


def _wanted(version: ModelVersion, features: Sequence[Feature], *, timed: bool, also: Sequence[str] = ()) -> list[Field]:
    """Fields of a row that features need, after key and time, which are told with the answers where they are there."""
    signature = version.candidate.signature
    fields = {one.name: one for one in (*signature.features, *signature.inputs)}
    needed = {*also, signature.time} if timed else set(also)
    for feature in features:
        if isinstance(feature, Columns):
            needed |= set(feature.names)
        elif isinstance(feature, FeatureView):
            needed.add(feature.key)
        elif isinstance(feature, OnDemand):
            needed |= set(feature.inputs)
    if not features:
        needed |= {one.name for one in signature.features}
    names = [signature.key, signature.time, *(name for name in fields if name in needed)]
    found = [fields[name] for name in dict.fromkeys(names) if name in fields]
    return [replace(one, required=one.required and one.name in needed) for one in found]
