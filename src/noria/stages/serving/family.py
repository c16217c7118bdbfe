"""A family of models behind one deployment: each partition's own model answers its rows, the parent all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from noria.core.rows import Rows, Values
from noria.core.traffic import Answer, Family, ServedVersion
from noria.stages.serving.computed import reason
from noria.stages.serving.frames import MEMBER, MEMBER_FAILED
from noria.stages.serving.lazily import Loading
from noria.stages.serving.model import Lookup, Row, Scorer, Served, finite
from noria.stages.serving.shelf import Cold, Shelf

LOADED_BEFORE = 1_000
"""Members that are kept where nobody prepares: in the process of a challenger, or where whole files are scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaders:
    """What families are loaded with.

    Attributes:
        family: Digest to the family.
        scorer: Artifact to a member's scorer; it has its own `signature`.
        loading: How much memory the members of one family may take, and how long a request waits for one.
    """

    family: Callable[[str], Family]
    scorer: Callable[[str], Scorer]
    loading: Loading


class FamilyServed(Served):
    """A family ready to answer. Members are loaded when their first row comes.

    `prepare` loads them in threads, for an event loop; where it was never called, they are loaded on the spot.
    """

    __slots__ = ("_family", "_here", "_loaders", "_members_lookup", "_shelf")

    def __init__(self, version: ServedVersion, *, scorer: Scorer, lookup: Lookup | None, loaders: Loaders) -> None:
        super().__init__(version, scorer=scorer, lookup=lookup)
        self._members_lookup = lookup
        self._loaders = loaders
        self._family = loaders.family(version.family)
        self._here: dict[str, Served] = {}
        self._shelf: Shelf[str, Served] | None = None

    @property
    def problem(self) -> str:
        """Which members could not be loaded when they were last asked for; "" = none."""
        if self._shelf is None or not self._shelf.failing:
            return ""
        said = "; ".join(f"{member}: {why}" for member, why in self._shelf.problems(limit=3).items())
        return f"{self._shelf.failing:,} of {len(self._family.members):,} members could not be loaded, the parent answers for them ({said})"

    def version_of(self, member: str) -> ServedVersion:
        """The version that answers a partition's rows as one of its own; this one where it has no model of its own."""
        artifact = self._family.members.get(member)
        return self.version if artifact is None else replace(self.version, artifact=artifact, family="")

    async def prepare(self, rows: Rows) -> None:
        """Load the members of these rows that are not here; those that fail or take too long leave their rows to the parent."""
        if self._shelf is None:
            self._shelf = Shelf(self._bring, limit_bytes=self._loaders.loading.room_bytes, now_s=perf_counter)
        shelf, within_s = self._shelf, self._loaders.loading.within_s
        wanted = {member for member in map(self._member_of, rows.column(self._family.by)) if member and shelf.get(member) is None}
        if wanted:
            await asyncio.gather(*(shelf.fetch(member, within_s) for member in wanted), return_exceptions=True)

    def answer(self, rows: Sequence[Row], now_ms: int) -> tuple[list[Answer], Mapping[str, Sequence[Any]]]:
        """As `Served.answer`; a member that fails on its rows leaves them to the parent, and the journal says why.

        Raises whatever the parent raises.
        """
        batch = Rows.of(rows)
        groups: dict[str, list[int]] = {}
        for place, value in enumerate(batch.column(self._family.by)):
            groups.setdefault(self._member_of(value), []).append(place)
        answers: list[Answer | None] = [None] * len(batch)
        by, failed = [""] * len(batch), [""] * len(batch)
        beside: dict[str, list[Any]] = {}
        left = groups.pop("", [])
        for member, places in groups.items():
            try:
                given, served = self._of_member(member, batch.picked(places), now_ms)
            except Exception as error:  # noqa: BLE001 - a member fails in any way it likes: the parent answers, on the record
                for place in places:
                    failed[place] = reason(error)
                left += places
                continue
            for place, answer in zip(places, given, strict=True):
                answers[place], by[place] = answer, member
            self._spread_out(served, places, beside, len(batch))
        if left:
            given, served = super().answer(batch.picked(left), now_ms)
            for place, answer in zip(left, given, strict=True):
                answers[place] = answer
            self._spread_out(served, left, beside, len(batch))
        return answers, {**beside, MEMBER: by, **({MEMBER_FAILED: failed} if any(failed) else {})}  # type: ignore[return-value]

    def _of_member(self, member: str, rows: Rows, now_ms: int) -> tuple[list[Answer], Mapping[str, Sequence[Any]]]:
        given, served = self._found(member).answer(rows, now_ms)
        if len(given) != len(rows) or not all(map(finite, given)):
            raise ArithmeticError("its answers are no finite numbers")
        return given, served

    def _found(self, member: str) -> Served:
        held = self._shelf.get(member) if self._shelf is not None else self._here.get(member)
        if held is not None:
            return held
        if self._shelf is not None and (why := self._shelf.absent(member)):
            raise Cold(why, retry_after_s=1.0)
        held = self._load(member)
        if self._shelf is not None:
            self._shelf.put(member, held, self._loaders.loading.weigh(held.version))
        else:
            if len(self._here) >= LOADED_BEFORE:
                del self._here[next(iter(self._here))]
            self._here[member] = held
        return held

    async def _bring(self, member: str) -> tuple[Served, int]:
        held = await asyncio.to_thread(self._load, member)
        return held, await asyncio.to_thread(self._loaders.loading.weigh, held.version)

    def _load(self, member: str) -> Served:
        artifact = self._family.members[member]
        scorer = self._loaders.scorer(artifact)
        signature = getattr(scorer, "signature", self.version.signature)
        return Served(replace(self.version, artifact=artifact, signature=signature, family=""), scorer=scorer, lookup=self._members_lookup)

    def _member_of(self, value: object) -> str:
        """The partition that has a model of its own, or ""."""
        name = "" if value is None else str(value)
        return name if name in self._family.members else ""

    @staticmethod
    def _spread_out(served: Mapping[str, Sequence[Any]], places: Sequence[int], whole: dict[str, list[Any]], rows: int) -> None:
        """Put columns of some rows where they belong among all; None where nothing was put."""
        for name, column in served.items():
            spread = whole.setdefault(name, [None] * rows)
            for place, value in zip(places, column, strict=True):
                spread[place] = value


def loader(
    load_scorer: Callable[[str], Scorer], make_lookup: Callable[[ServedVersion], Lookup | None], loaders: Loaders | None = None
) -> Callable[[ServedVersion], Served]:
    """How versions are loaded: the scorer by its artifact, the lookup by the version's code, a family's members later."""

    def load(version: ServedVersion) -> Served:
        scorer, lookup = load_scorer(version.artifact), make_lookup(version)
        if version.family and loaders is not None:
            return FamilyServed(version, scorer=scorer, lookup=lookup, loaders=loaders)
        return Served(version, scorer=scorer, lookup=lookup)

    return load


async def prepared(served: object, names: Sequence[str], rows: Sequence[Values]) -> None:
    """Bring in what the rows need of a family; nothing where there is none."""
    if isinstance(served, FamilyServed):
        await served.prepare(Rows(names, rows))
