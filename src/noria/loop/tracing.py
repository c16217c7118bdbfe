"""Traces an incident back to its likely cause when it opens or grows: in how data came in, and in the rows themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from noria.core.declaration.watch import Watch
from noria.core.errors import NoriaError
from noria.core.schema import Kind
from noria.core.watching import Evidence, Incident, Reading
from noria.loop.monitors.arrival import FLOOR, arrivals, sources
from noria.loop.monitors.quality import labelled_rows, measured
from noria.loop.monitors.span import GIVEN, Span, Watched, feature_frame
from noria.loop.world import Declared, World
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring import causes
from noria.stages.serving import log

EXAMINED = 5
"""Alerts of one incident that are looked into, gravest first."""
MOST_VALUES = 20
"""A column with more values than this is no slice."""
LOOKED_BACK = 14
"""Chunks in which the beginning of a thing is looked for."""
NO_DRIFT = 0.1
"""A drift too small to matter, where no reading of it says what its limit is."""
SURE = 0.5
"""From this share on, what was found is the cause; below it, it is told beside."""
logger = logging.getLogger("noria.tracing")


def traced(
    world: World,
    declared: Declared,
    watched: Watched,
    incident: Incident,
    *,
    readings: Sequence[Reading],
    lineage: Mapping[str, str],
    at: datetime,
) -> Incident:
    """The incident with its likely cause and the evidence for it; as it was where nothing was found or the looking failed."""
    look = _Look(world=world, declared=declared, watched=watched, lineage=lineage, at=at)
    latest = {f"{one.monitor}:{one.subject}": one for one in readings}
    try:
        found = causes.likely(list(look.evidence(incident, latest)))
    except (NoriaError, pl.exceptions.PolarsError, ValueError) as error:
        logger.warning("the cause of %s could not be looked for: %s", incident.id, error)
        return incident
    if not found:
        return incident
    cause = found[0].text if found[0].explains >= SURE else incident.cause
    return replace(incident, evidence=found, cause=cause)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One looking; what several finders need is read once."""

    world: World
    declared: Declared
    watched: Watched
    lineage: Mapping[str, str]
    at: datetime

    def evidence(self, incident: Incident, latest: Mapping[str, Reading]) -> list[Evidence | None]:
        """All that was found about the incident's gravest alerts."""
        names = [name for name in incident.subjects if name in latest] or list(incident.subjects)
        found: list[Evidence | None] = [self._arrival(incident)]
        for name in names[:EXAMINED]:
            monitor, _, subject = name.partition(":")
            reading = latest.get(name)
            if reading is None:
                continue
            if monitor in ("drift", "unseen", "range", "cardinality"):
                found += self._drift(subject, reading if monitor == "drift" else None)
            elif monitor == "missing":
                found.append(causes.slice_of_missing(subject, self.chunk, self.slices, reading.threshold))
            elif monitor == "quality":
                found.append(self._quality(subject, reading))
        found += [Evidence(kind="moved", text=f"{one.subject}: {one.note}", explains=0.3) for one in self._noted(names, latest)]
        return [*found, self._promotion()]

    def _arrival(self, incident: Incident) -> Evidence | None:
        dataset = incident.source
        if dataset not in sources(self.declared.loop):
            return None
        features = list(dict.fromkeys(name.partition(":")[2] for name in incident.subjects))
        features = [one for one in features if self.lineage.get(one) == dataset]
        features = features or [one for one, source in self.lineage.items() if source == dataset]
        every = self._every("arrival") or self._every("drift") or timedelta(days=1)
        seen = arrivals(self.world, dataset, at=self.at, every=every, usual_until=self.watched.since, floor=FLOOR)
        return causes.arrival(features, seen) if seen is not None and features else None

    def _drift(self, subject: str, reading: Reading | None) -> list[Evidence | None]:
        feature = next((one for one in self.watched.reference.features if one.name == subject), None)
        if feature is None or subject not in self.chunk.columns:
            return []
        known = next((one.categories for one in self.watched.version.candidate.signature.features if one.name == subject), ())
        column, limit = self.chunk[subject], reading.threshold if reading else max(NO_DRIFT, feature.threshold)
        found = [
            causes.new_value(feature, column, known, limit, since=lambda value: self._first(subject, value)),
            causes.unit(feature, column, limit),
        ]
        if self.watched.sample is not None and subject in self.watched.sample.columns:
            found.append(causes.slice_of_drift(feature, subject, self.chunk, self.watched.sample, self.slices, limit))
        return found

    def _quality(self, subject: str, reading: Reading) -> Evidence | None:
        watch = next((one for one in self.declared.loop.watch if one.check == "quality" and one.metric == subject), None)
        if watch is None:
            return None
        span = Span(world=self.world, declared=self.declared, watched=self.watched, watch=watch, start=self.at - watch.every, end=self.at)
        rows = labelled_rows(span)
        features = feature_frame(rows, span.signature)
        rows = rows.with_columns(features[one] for one in self.slices if one in features.columns)
        meaning = metric(subject, span.signature.task)
        return causes.slice_of_fall(
            subject,
            rows,
            self.slices,
            reading.threshold,
            lambda some: measured(subject, some, self.watched.version.candidate),
            higher_is_better=meaning.higher_is_better,
        )

    def _promotion(self) -> Evidence | None:
        """The champion is new: the change may be its own."""
        every = self._every("drift") or timedelta(days=1)
        number = self.watched.version.number
        if number == 1 or self.at - self.watched.since > 5 * every:
            return None
        return Evidence(kind="promotion", text=f"v{number} became champion on {self.watched.since:%-d %B}, shortly before", explains=0.2)

    def _noted(self, names: Sequence[str], latest: Mapping[str, Reading]) -> list[Reading]:
        return [latest[name] for name in names[:EXAMINED] if name in latest and latest[name].note]

    def _every(self, check: str) -> timedelta | None:
        found: Watch | None = next((one for one in self.declared.loop.watch if one.check == check), None)
        return found.every if found else None

    def _first(self, subject: str, value: str) -> datetime | None:
        """When a value first came, as far as is looked back."""
        every = self._every("drift") or timedelta(days=1)
        rows = log.predictions(
            self.world.log_folder, self.declared.loop.name, since=self.at - LOOKED_BACK * every, until=self.at, roles=GIVEN
        )
        if rows.is_empty():
            return None
        column = feature_frame(rows, self.watched.version.candidate.signature)[subject]
        moments = rows.filter((column == value).fill_null(False))["time"]
        first = moments.min()
        return first if isinstance(first, datetime) else None

    @cached_property
    def chunk(self) -> pl.DataFrame:
        """Features of the requests of the newest chunk."""
        every = self._every("drift") or timedelta(days=1)
        rows = log.predictions(self.world.log_folder, self.declared.loop.name, since=self.at - every, until=self.at, roles=GIVEN)
        rows = rows.unique("request_id", keep="any", maintain_order=True) if rows.height else rows
        return feature_frame(rows, self.watched.version.candidate.signature) if rows.height else pl.DataFrame()

    @cached_property
    def slices(self) -> list[str]:
        """Columns by whose values the rows may be parted."""
        fields = self.watched.version.candidate.signature.features
        return [one.name for one in fields if one.kind is Kind.BOOL or 1 < len(one.categories) <= MOST_VALUES]
