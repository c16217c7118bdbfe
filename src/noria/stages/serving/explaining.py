"""Reasons beside answers: computed apart from the event loop by the model's own exact method, checked, and journalled."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.explaining import Explanation
from noria.core.schema import Signature
from noria.core.traffic import Role, Scalar, ServedVersion
from noria.packaging.reasons import exact, told
from noria.packaging.row_encoding import RowEncoder
from noria.packaging.scorer import Scorer
from noria.ports import wire
from noria.stages.serving.asks import PLAIN, Answered, Asking
from noria.stages.serving.computed import reason
from noria.stages.serving.desk import Desk
from noria.stages.serving.family import FamilyServed
from noria.stages.serving.frames import MEMBER, Explanations, Predictions
from noria.stages.serving.items import Item
from noria.stages.serving.routing import bucket

ROW_LIMIT = 100
"""Rows that one call may have explained."""

WAITING_LIMIT = 1_000
"""Rows that may wait for their reasons, of all calls together."""

LOADED_LIMIT = 8
"""Versions that are kept ready to explain; the one used longest ago goes first."""

TOLERANCE = 1e-4
"""How far base and parts may miss the answer; of values of any size, of their size as well."""


OF_GRAPH = "it is a graph: its answers come from its members, which the log names with what each said"
APART = "its version answers from a process of its own, and can be explained from the log"

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explains:
    """A version ready to explain.

    Attributes:
        scorer: Its native form.
        background: Rows that "without the feature" means, shape (n, features); not asked where the trees hold their own.
        digest: Of the background; "" = the training rows, as the trees count them.
    """

    scorer: Scorer
    background: np.ndarray
    digest: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    frame: Predictions
    place: int


Told = tuple[Answered, Explanation | str]
"""An answer with its explanation, or with why there is none."""


class Explaining:
    """Predictions with their reasons. For the desk's event loop; reasons are computed in one thread of its own.

    Args:
        load: Makes a version ready; called in that thread.
            Raises `RequestInvalid` for one that has no exact method, or no rows to hold answers against.
    """

    def __init__(self, desk: Desk, load: Callable[[ServedVersion], Explains]) -> None:
        self._desk = desk
        self._load = load
        self._wanted: dict[str, list[list[_Seen]]] = {}
        self._ready: OrderedDict[tuple[str, str], Explains | RequestInvalid] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explaining")
        self._tasks: set[asyncio.Task[object]] = set()
        self._waiting = 0
        desk.show_to(self)

    async def predict(self, deployment: str, items: Sequence[Item], asking: Asking = PLAIN) -> list[Told]:
        """As `Desk.predict`; each answer with why it is so.

        An explanation whose base and parts do not add up to its answer is never given: the text says so, and it is counted.

        Raises:
            RequestInvalid: as there; too many rows; the version has no exact method.
            Unavailable: as there; too many rows wait for their reasons.
        """
        if len(items) > ROW_LIMIT:
            why = f"at most {ROW_LIMIT} rows of one request are explained"
            raise RequestInvalid(f"{why}, not {len(items):,}", fields={"explain": why})
        champion = self._champion(deployment, asking)
        self._reserve(len(items))
        try:
            await self._in_thread(self._loaded, champion)
            answers, seen = await self._answered(deployment, items, asking)
            return list(zip(answers, await self._reasons(deployment, champion, answers, seen), strict=True))
        finally:
            self._waiting -= len(items)

    async def keep(self, deployment: str, items: Sequence[Item], asking: Asking = PLAIN) -> list[Answered]:
        """As `Desk.predict`; the log keeps every row, whatever its sample, so that it can be explained later."""
        answers, _ = await self._answered(deployment, items, asking)
        return answers

    def wants(self, request_id: str) -> bool:
        """Whether a row is waited for."""
        return request_id in self._wanted

    def saw(self, frame: Predictions) -> None:
        """Note rows that are waited for, and take the deployment's share of the others."""
        if self._wanted:
            for place, request_id in enumerate(frame.ids):
                for waiting in self._wanted.get(request_id, ()):
                    waiting.append(_Seen(frame, place))
        at_work = self._desk.at_work(frame.deployment)
        if at_work is not None and at_work.route.explain > 0.0:
            self._sample(frame, at_work.route.champion, at_work.route.explain)

    async def close(self) -> None:
        """Drop what waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _champion(self, deployment: str, asking: Asking) -> ServedVersion:
        """The version that is explained: only what may run in this process is opened in it."""
        number = self._desk.deployed(deployment).version
        at_work = self._desk.at_work(deployment)
        if at_work is None:
            raise Unavailable(f"{deployment!r} was just closed")
        if asking.version not in (None, number) or asking.role not in (None, Role.CHAMPION) or at_work.route.champion.isolated:
            raise _later(APART)
        if at_work.route.champion.graph is not None:
            raise RequestInvalid(OF_GRAPH, fields={"explain": "must be left out"}, fix="ask its members for their reasons")
        return at_work.route.champion

    def _reserve(self, rows: int) -> None:
        if self._waiting + rows > WAITING_LIMIT:
            raise Unavailable("too many rows wait for their reasons", fix='ask again in a moment, or with "explain": "later"')
        self._waiting += rows

    async def _answered(self, deployment: str, items: Sequence[Item], asking: Asking) -> tuple[list[Answered], list[list[_Seen]]]:
        """Answers, and what was computed for the request of each."""
        named = [(self._desk.fresh_id() if given is None else given, inputs) for given, inputs in items]
        mine: dict[str, list[_Seen]] = {given: [] for given, _ in named if isinstance(given, str)}
        for given, seen in mine.items():
            self._wanted.setdefault(given, []).append(seen)
        try:
            answers = await self._desk.predict(deployment, named, asking)
        finally:
            for given, seen in mine.items():
                self._wanted[given] = [one for one in self._wanted[given] if one is not seen]
                if not self._wanted[given]:
                    del self._wanted[given]
        return answers, [mine[answer.id] for answer in answers]

    async def _reasons(
        self, deployment: str, version: ServedVersion, answers: Sequence[Answered], seen: Sequence[list[_Seen]]
    ) -> list[Explanation | str]:
        """Why, for each answer; those of other versions, as a rollout may have dealt them, are left for later."""
        rows: dict[int, _Seen] = {}
        for at, (answer, candidates) in enumerate(zip(answers, seen, strict=True)):
            fitting = [one for one in candidates if _gave(one, version.number) and _same(one, answer)]
            if fitting and answer.version == version.number:
                candidates.remove(fitting[0])
                rows[at] = fitting[0]
        found = dict(zip(rows, await self._journalled(deployment, version, list(rows.values())), strict=True)) if rows else {}
        return [found.get(at, APART) for at in range(len(answers))]

    async def _journalled(self, deployment: str, version: ServedVersion, seen: Sequence[_Seen]) -> list[Explanation | str]:
        told = await self._in_thread(self._computed, deployment, version, seen)
        kept = [(one, why) for one, why in zip(seen, told, strict=True) if not isinstance(why, str)]
        self._desk.explained(
            Explanations(
                deployment,
                version.number,
                [one.frame.ids[one.place] for one, _ in kept],
                [one.frame.times[one.place] for one, _ in kept],
                [why.method for _, why in kept],
                [why.background for _, why in kept],
                [wire.dump(why).decode() for _, why in kept],
            ),
            failed=len(seen) - len(kept),
        )
        return told

    def _sample(self, frame: Predictions, champion: ServedVersion, share: float) -> None:
        if frame.version != champion.number or champion.isolated:
            return
        seen = [
            _Seen(frame, place)
            for place, request_id in enumerate(frame.ids)
            if bucket("explain", request_id) < share and _gave(_Seen(frame, place), frame.version) and request_id not in self._wanted
        ]
        if not seen:
            return
        if self._waiting + len(seen) > WAITING_LIMIT:
            self._desk.explained(None, failed=len(seen))
            return
        self._waiting += len(seen)
        task = asyncio.get_running_loop().create_task(self._sampled(frame.deployment, champion, seen))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sampled(self, deployment: str, version: ServedVersion, seen: Sequence[_Seen]) -> None:
        try:
            for at in range(0, len(seen), ROW_LIMIT):
                await self._journalled(deployment, version, seen[at : at + ROW_LIMIT])
        finally:
            self._waiting -= len(seen)

    async def _in_thread(self, work: Callable[..., _Made], *given: object) -> _Made:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    def _loaded(self, version: ServedVersion) -> Explains:
        key = version.artifact, version.background
        if key not in self._ready:
            self._ready[key] = self._opened(version)
            while len(self._ready) > LOADED_LIMIT:
                self._ready.popitem(last=False)
        self._ready.move_to_end(key)
        ready = self._ready[key]
        if isinstance(ready, RequestInvalid):
            raise RequestInvalid(ready.message, fields=ready.fields, fix=ready.fix)
        return ready

    def _opened(self, version: ServedVersion) -> Explains | RequestInvalid:
        """What can explain a version, or for good why nothing can."""
        try:
            return self._load(version)
        except RequestInvalid as error:
            return error
        except Exception as error:
            raise Unavailable(f"version {version.number} cannot be opened to explain it: {reason(error)}") from error

    def _computed(self, deployment: str, version: ServedVersion, seen: Sequence[_Seen]) -> list[Explanation | str]:
        """Why, for each row: of a family each by the model that gave its answer, as the frame says."""
        groups: dict[str, list[int]] = {}
        for place, one in enumerate(seen):
            groups.setdefault(one.frame.served[MEMBER][one.place] if MEMBER in one.frame.served else "", []).append(place)
        found: dict[int, Explanation | str] = {}
        for member, places in groups.items():
            some = [seen[place] for place in places]
            found |= zip(places, self._of_one(deployment, self._gave(deployment, version, member), some), strict=True)
        return [found[place] for place in range(len(seen))]

    def _gave(self, deployment: str, version: ServedVersion, member: str) -> ServedVersion:
        at_work = self._desk.at_work(deployment) if member else None
        served = at_work.champion.served if at_work is not None else None
        if isinstance(served, FamilyServed) and served.version.number == version.number:
            return served.version_of(member)
        return version

    def _of_one(self, deployment: str, version: ServedVersion, seen: Sequence[_Seen]) -> list[Explanation | str]:
        try:
            ready = self._loaded(version)
            signature: Signature = getattr(ready.scorer, "signature", version.signature)
            matrix = _matrix(signature, seen)
            parts = ready.scorer.contributions(matrix, ready.background)
        except Exception as error:  # noqa: BLE001 - a model's library raises anything; the answer was given, and the text says why
            return [reason(error)] * len(seen)
        if parts is None:
            return ["this version has no exact method"] * len(seen)
        name = f"{deployment}@{version.number}"
        return [_told(ready, signature, row, part, one, name) for row, part, one in zip(matrix, parts, seen, strict=True)]


def _later(why: str) -> RequestInvalid:
    return RequestInvalid(why, fields={"explain": 'must be "later" or left out'}, fix='ask with "explain": "later"')


def _gave(one: _Seen, version: int) -> bool:
    """Whether a row of a frame is an answer that a user got from this version."""
    frame, place = one.frame, one.place
    hidden = frame.roles[place] in (Role.SHADOW, Role.CONTROL)
    return frame.version == version and not hidden and frame.answers[place] is not None


def _same(one: _Seen, answer: Answered) -> bool:
    """Whether a row is the one that was answered so: others may have come under the same id."""
    computed, given = one.frame.answers[one.place], answer.prediction
    return list(given.values()) == list(computed) if isinstance(given, dict) else bool(given == computed)


def _matrix(signature: Signature, seen: Sequence[_Seen]) -> np.ndarray:
    """The rows as the model saw them."""

    def column(name: str) -> list[Scalar]:
        return [(one.frame.served if name in one.frame.served else one.frame.inputs)[name][one.place] for one in seen]

    return RowEncoder(signature.features).encode({feature.name: column(feature.name) for feature in signature.features}, len(seen))


def _told(ready: Explains, signature: Signature, row: np.ndarray, part: np.ndarray, one: _Seen, version: str) -> Explanation | str:
    answer = one.frame.answers[one.place]
    place = int(np.argmax(answer)) if isinstance(answer, (tuple, list)) else 0
    value = float(answer[place] if isinstance(answer, (tuple, list)) else answer)
    found = exact(part[None], np.array([value]), signature, method=ready.scorer.explained_by, place=place)
    if not found.gap <= TOLERANCE * (1.0 + abs(value) if signature.task.numeric else 1.0):
        return f"its parts do not add up to the answer: they miss it by {found.gap:.3g}"
    return told(found, 0, row, signature, value, version=version, background=ready.digest, place=place)
