"""Register candidates as numbered versions of a model, and read them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from noria.core.errors import Conflict, NotFound
from noria.core.judging import Scorecard, Verdict
from noria.core.registry import ModelVersion
from noria.core.training import Candidate
from noria.ports.records import Put, Records, Write
from noria.ports.wire import dump, load
from noria.stages.registry.reading import every

KIND = "version"


def register(
    records: Records,
    *,
    model: str,
    candidate: Candidate,
    scorecard: Scorecard,
    verdict: Verdict,
    feature_set: str,
    datasets: tuple[str, ...],
    reference: str,
    code: str,
    turn: str,
    at: datetime,
    family: str = "",
    also: Callable[[ModelVersion], Sequence[Write]] | None = None,
) -> ModelVersion:
    """Register a candidate under the model's next number; a turn registers once and gets the same version again.

    Args:
        feature_set, datasets, reference, code: Digests of what the version was made from.
        family: Digest of the family that the candidate is the parent of.
        turn: The turn that made it; "" registers a new version each time.
        also: More writes for the same commit, given the version.

    Raises:
        Conflict: one of the writes of `also` does not hold; nothing was registered.
    """
    while True:
        number = latest(records, model) + 1
        if turn and (made := _made_in(records, model, turn)):
            return made
        version = ModelVersion(
            model=model,
            number=number,
            candidate=candidate,
            scorecard=scorecard,
            verdict=verdict,
            feature_set=feature_set,
            datasets=datasets,
            reference=reference,
            code=code,
            turn=turn,
            created_at=at,
            family=family,
        )
        put = Put(kind=KIND, key=key_of(model, number), body=dump(version), index={"model": model, "turn": turn}, expect=0)
        try:
            records.commit(put, *(also(version) if also else ()))
        except Conflict:
            if not exists(records, model, number):
                raise
            continue
        return version


def get(records: Records, model: str, number: int) -> ModelVersion:
    """One version.

    Raises:
        NotFound: the model has no version of that number.
    """
    record = records.get(KIND, key_of(model, number))
    if record is None:
        last = latest(records, model)
        fix = f"its versions are 1 to {last}" if last else "it has no versions yet"
        raise NotFound(f"model {model!r} has no version {number}", fix=fix)
    return load(record.body, ModelVersion)


def versions(records: Records, model: str) -> list[ModelVersion]:
    """All versions of a model, oldest first."""
    return [load(record.body, ModelVersion) for record in every(records, KIND, {"model": model})]


def every_version(records: Records) -> Iterator[ModelVersion]:
    """All versions of all models."""
    return (load(record.body, ModelVersion) for record in every(records, KIND, {}))


def latest(records: Records, model: str) -> int:
    """The newest version's number; 0 when there is none."""
    newest = records.find(KIND, where={"model": model}, limit=1, newest_first=True)
    return int(newest[0].key.rpartition("@")[2]) if newest else 0


def exists(records: Records, model: str, number: int) -> bool:
    """Whether the model has a version of that number."""
    return records.get(KIND, key_of(model, number)) is not None


def key_of(model: str, number: int) -> str:
    """The key of a version's record; keys sort by number."""
    return f"{model}@{number:06d}"


def _made_in(records: Records, model: str, turn: str) -> ModelVersion | None:
    found = records.find(KIND, where={"model": model, "turn": turn}, limit=1)
    return load(found[0].body, ModelVersion) if found else None
