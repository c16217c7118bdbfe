"""Takes requests that nobody waits for, and computes them in slices between those that somebody waits for."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from noria.core.errors import NoriaError, RequestInvalid
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.dataplane.answers.files import AnswerFiles, Asked, Claimed, Finished
from noria.dataplane.answers.slices import Slices
from noria.dataplane.exchange import STATUS, Call, Endpoint, Face, Refused, Reply, document, said
from noria.dataplane.faces import own
from noria.ports.clock import Clock
from noria.stages.serving.asks import PLAIN, Asking
from noria.stages.serving.desk import Desk

ROW_LIMIT = 100_000
"""Most rows of one request."""

RUNNERS = 4
"""Requests that a process computes at a time."""

LOOK_S = 2.0
"""How often a process looks for requests that another one left behind."""

TIDY_S = 60.0
_AGAIN_S = 1.0

_log = logging.getLogger("noria.dataplane")


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[msgspec.Raw]


class _Shape(msgspec.Struct):
    rows: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@dataclass(slots=True)
class _Progress:
    """How far a request of this process is."""

    rows: int
    done: int = 0


class Jobs:
    """The background form of one data plane's process.

    Args:
        files: Shared by all processes of the data plane; each computes what it finds there.
    """

    def __init__(self, desk: Desk, files: AnswerFiles, clock: Clock) -> None:
        self._desk = desk
        self._files = files
        self._clock = clock
        self._news = asyncio.Event()
        self._under_way: dict[str, _Progress] = {}

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Compute while the block runs; what is under way at its end is computed again by whoever comes next."""
        tasks = [asyncio.ensure_future(self._run()) for _ in range(RUNNERS)] + [asyncio.ensure_future(self._keep_tidy())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def face(self) -> Face:
        """Where answers are fetched; an answer's id, 104 random bits, is what opens it."""
        return Face(
            name="Answers",
            prefixes=("/answers/",),
            endpoints=(
                Endpoint(
                    method="GET", pattern="/answers/{id}", handler=self.answer, open=True, summary="An answer that was asked for earlier"
                ),
                Endpoint(
                    method="DELETE",
                    pattern="/answers/{id}",
                    handler=self.cancel,
                    open=True,
                    summary="Cancels a request, or throws its answer away",
                ),
            ),
            refusal=own.refusal,
        )

    async def accept(self, deployment: str, body: bytes, asking: Asking = PLAIN) -> Reply:
        """Keep a request and say where its answer will be.

        Raises:
            NoriaError: as the waiting form; a row that does not fit is said by the answer, not here.
        """
        self._desk.deployed(deployment)
        asked = Asked(deployment=deployment, rows=_count(body), version=asking.version, role=asking.role)
        id = f"{new_id('ans', to_ms(self._clock.now()))}{secrets.token_hex(8)}"
        await asyncio.to_thread(self._files.accept, id, asked, body)
        self._news.set()
        return self._told(id, asked)

    async def answer(self, call: Call) -> Reply:
        """The answer, as the waiting form would have given it, or that it is not there yet.

        Raises:
            Refused: it is unknown.
        """
        id = call.names["id"]
        found = await asyncio.to_thread(self._files.find, id)
        if found is None:
            raise _unknown(id)
        return self._told(id, found) if isinstance(found, Asked) else Reply(status=found.status, body=found.body)

    async def cancel(self, call: Call) -> Reply:
        """Cancel a request, or throw its answer away.

        Raises:
            Refused: it is unknown.
        """
        id = call.names["id"]
        if not await asyncio.to_thread(self._files.remove, id):
            raise _unknown(id)
        return said({"id": id, "status": "gone"})

    def _told(self, id: str, asked: Asked) -> Reply:
        progress = self._under_way.get(id)
        told = {"id": id, "status": "waiting" if progress is None else "under way", "rows": asked.rows or 1}
        if progress is not None:
            told["done"] = progress.done
        return said(told, 202, (("location", f"/answers/{id}"), ("retry-after", "1")))

    async def _run(self) -> None:
        while True:
            claimed = await asyncio.to_thread(self._files.claim)
            if claimed is None:
                await self._wait()
                continue
            try:
                finished = await self._computed(claimed)
                if finished is not None:
                    await self._keep(claimed.id, finished)
            finally:
                self._under_way.pop(claimed.id, None)
                claimed.release()

    async def _wait(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()
        except TimeoutError:
            return

    async def _computed(self, claimed: Claimed) -> Finished | None:
        """How it ends; None when it was cancelled."""
        while not self._desk.planned:
            await asyncio.sleep(_AGAIN_S / 10)
        progress = self._under_way[claimed.id] = _Progress(claimed.asked.rows or 1)
        slices = Slices(self._desk, claimed.asked, claimed.id)
        try:
            if claimed.asked.rows is None:
                return Finished(status=200, body=await slices.single(claimed.body))
            answers: list[bytes] = []
            async for answered in slices.many(msgspec.json.decode(claimed.body, type=_Rows).rows):
                if claimed.cancelled:
                    return None
                answers += answered
                progress.done = len(answers)
            return Finished(status=200, body=b'{"rows":[' + b",".join(answers) + b"]}")
        except NoriaError as error:
            reply = own.refusal(error, STATUS.get(error.code, 500))
        except Exception:  # noqa: BLE001 - as the router: no traceback leaves the server; its log keeps it
            _log.exception("a request in the background failed")
            reply = own.refusal(NoriaError("the server failed on this request; its log says why"), 500)
        return Finished(status=reply.status, body=reply.body)

    async def _keep(self, id: str, finished: Finished) -> None:
        """Write the answer, however long the disk refuses it."""
        while True:
            try:
                await asyncio.to_thread(self._files.finish, id, finished)
            except OSError as error:
                self._desk.report("answers", f"an answer cannot be kept: {error}")
                await asyncio.sleep(_AGAIN_S)
            else:
                self._desk.report("answers", "")
                return

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.to_thread(self._files.tidy, to_ms(self._clock.now()))
            await asyncio.sleep(TIDY_S)


def _count(body: bytes) -> int | None:
    """How many rows a body has; None for a single one. Rows are read later.

    Raises:
        Refused: it is not JSON.
        RequestInvalid: it is no request, or has too many rows.
    """
    try:
        shape = msgspec.json.decode(body, type=_Shape)
        rows = None if isinstance(shape.rows, msgspec.UnsetType) else len(msgspec.json.decode(body, type=_Rows).rows)
    except msgspec.ValidationError as error:
        raise RequestInvalid(
            f"the body is no request: {error}", fields={"body": 'must be {"inputs": {…}} or {"rows": […]} and no more'}
        ) from None
    except msgspec.DecodeError as error:
        raise Refused("not-json", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Refused("not-json", "the body is nested too deeply") from None
    if rows is None:
        own.item(document(body))
    elif rows > ROW_LIMIT:
        raise RequestInvalid(f"{rows:,} rows in one request", fields={"rows": f"must be at most {ROW_LIMIT:,}"})
    return rows


def _unknown(id: str) -> Refused:
    return Refused("not-found", f"there is no answer {id[:100]!r}: it was never asked for, has expired, or was cancelled")
