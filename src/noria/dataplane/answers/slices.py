"""Many rows of one request, a few milliseconds at a time, so that the event loop is never held for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time

import msgspec
import orjson

from noria.core.errors import RequestInvalid, Unavailable
from noria.dataplane.answers.files import Asked
from noria.dataplane.exchange import document
from noria.dataplane.faces import own
from noria.stages.serving.asks import Asking
from noria.stages.serving.desk import Desk
from noria.stages.serving.items import Item, checked_id

SLICE_S = 0.005
"""About what one slice may hold the event loop for."""

WAIT_S = 1.0
"""About what one slice may take where the model is not in this process."""

MOST_ROWS = 1_000
"""Rows of one slice, however quick."""

AGAIN_S = (0.5, 2.0, 5.0)
"""Pauses after which a slice that no version could answer is tried again."""


class Slices:
    """Asks the desk for the rows of one request.

    Args:
        request_id: Rows without an id of their own are named after it and their place, so that a request
            which is computed again after a restart gives the same predictions and no others.
    """

    def __init__(self, desk: Desk, asked: Asked, request_id: str) -> None:
        self._desk = desk
        self._deployment = asked.deployment
        self._asking = Asking(version=asked.version, role=asked.role)
        self._id = request_id
        self._rows, self._most = min(64, desk.row_limit), min(MOST_ROWS, desk.row_limit)

    async def single(self, body: bytes) -> bytes:
        """The answer to a request of one row.

        Raises:
            NoriaError: as `Desk.predict`.
        """
        given, inputs = own.item(document(body))
        for pause_s in AGAIN_S:
            try:
                return await self._one(given, inputs)
            except Unavailable:
                await asyncio.sleep(pause_s)
        return await self._one(given, inputs)

    async def many(self, rows: Sequence[msgspec.Raw]) -> AsyncIterator[list[bytes]]:
        """The answers, slice by slice, after all rows were found to fit (then it gives an empty list now and then).

        Raises:
            RequestInvalid: a row does not fit; none was computed.
            NoriaError: as `Desk.predict`.
        """
        at = 0
        while at < len(rows):
            began = _Began.now()
            self._check(rows, at, at + self._rows)
            at += self._rows
            yield []
            await self._pause(began)
        at = failures = 0
        while at < len(rows):
            began = _Began.now()
            items = [self._item(row, place) for place, row in enumerate(rows[at : at + self._rows], at)]
            try:
                answers = await self._desk.predict(self._deployment, items, self._asking)
            except Unavailable:
                if failures == len(AGAIN_S):
                    raise
                await asyncio.sleep(AGAIN_S[failures])
                failures, self._rows = failures + 1, max(1, self._rows // 8)
                continue
            at, failures = at + len(items), 0
            yield [orjson.dumps(own.spoken(answered)) for answered in answers]
            await self._pause(began)

    async def _one(self, given: str | None, inputs: object) -> bytes:
        (answered,) = await self._desk.predict(self._deployment, [(self._id if given is None else given, inputs)], self._asking)
        return orjson.dumps(own.spoken(answered))

    def _check(self, rows: Sequence[msgspec.Raw], begin: int, end: int) -> None:
        at_work = self._desk.at_work(self._deployment)
        for place, row in enumerate(rows[begin:end], begin):
            try:
                given, inputs = self._item(row, place)
                checked_id(given)
                if at_work is not None:
                    at_work.check.row(inputs)
            except RequestInvalid as error:
                fields = {f"rows[{place}].{name}": why for name, why in error.fields.items()}
                raise RequestInvalid(f"row {place}: {error.message}", fields=fields) from None

    def _item(self, row: msgspec.Raw, place: int) -> Item:
        try:
            given, inputs = own.item(orjson.loads(memoryview(row)))
        except orjson.JSONDecodeError as error:
            raise RequestInvalid(f"is not JSON: {error}", fields={"row": "is not JSON"}) from None
        return f"{self._id}-{place}" if given is None else given, inputs

    async def _pause(self, began: _Began) -> None:
        """Leave the loop to others for as long as it was held, and size the next slice by what this one took."""
        held_s, took_s = began.since()
        if held_s > 2 * SLICE_S or took_s > WAIT_S:
            self._rows = max(1, self._rows // 2)
        elif held_s < SLICE_S / 2 and took_s < WAIT_S / 2:
            self._rows = min(self._most, self._rows * 2)
        await asyncio.sleep(min(held_s, SLICE_S))


@dataclass(frozen=True, slots=True)
class _Began:
    """When a slice began: by the time that this thread computed, and by the time that passed."""

    computed_s: float
    passed_s: float

    @classmethod
    def now(cls) -> _Began:
        return cls(thread_time(), perf_counter())

    def since(self) -> tuple[float, float]:
        return thread_time() - self.computed_s, perf_counter() - self.passed_s
