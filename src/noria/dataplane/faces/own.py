"""Noria's own protocol: predictions, feedback, and how the data plane is doing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import orjson

from noria.core.errors import NoriaError, RequestInvalid
from noria.core.moments import to_ms
from noria.dataplane.asked import asking, unattended
from noria.dataplane.exchange import STATUS, Call, Endpoint, Face, Reply, document, said
from noria.dataplane.group import Alone, Group
from noria.dataplane.guard import Guard
from noria.dataplane.metrics import CONTENT_TYPE, text
from noria.dataplane.reasons import Reasons
from noria.stages.serving.asks import Answered, Asking
from noria.stages.serving.desk import Desk
from noria.stages.serving.explaining import Explaining
from noria.stages.serving.items import Item

OUTCOME_LIMIT = 10_000

_PREDICT = b"/predict/"
_encode = msgspec.json.Encoder().encode

Later = Callable[[str, bytes, Asking], Awaitable[Reply]]
"""Takes a prediction that nobody waits for: the deployment, the body, and how it shall be answered."""


def face(desk: Desk, *, later: Later | None = None, group: Group | None = None, explaining: Explaining | None = None) -> Face:
    """The protocol over a desk; `later` takes what nobody waits for, `group` tells how all processes do, `explaining` gives reasons."""
    own = _Own(desk, later, group or Alone(desk), Reasons(desk, explaining))
    return Face(
        name="Noria",
        prefixes=("/",),
        endpoints=(
            Endpoint(method="POST", pattern="/predict/{name}", handler=own.predict, summary="Answers to one row or to many"),
            Endpoint(method="POST", pattern="/feedback/{name}", handler=own.feedback, summary="What came of earlier requests"),
            Endpoint(method="GET", pattern="/health/live", handler=own.live, open=True, summary="Whether the process runs"),
            Endpoint(method="GET", pattern="/health/ready", handler=own.ready, open=True, summary="Whether requests can be answered"),
            Endpoint(method="GET", pattern="/plan", handler=own.plan, summary="What is served, and what is wrong"),
            Endpoint(method="GET", pattern="/metrics", handler=own.metrics, summary="Prometheus metrics"),
        ),
        refusal=refusal,
    )


class Fast:
    """Answers the usual call, rows for one deployment, without a task of its own: in the tick that it came in."""

    def __init__(self, desk: Desk, guard: Guard) -> None:
        self._desk = desk
        self._guard = guard

    def take(self, target: bytes, body: bytes, shown: Mapping[str, str], give: Callable[[int, bytes], None]) -> bool:
        """Whether it was taken; else the call goes the usual way.

        Args:
            target: The path as it came.
            shown: The headers that say who calls.
            give: Gets the status and the JSON, once.
        """
        if not target.startswith(_PREDICT):
            return False
        name = target[len(_PREDICT) :].decode("latin-1")
        at_work = self._desk.at_work(name)
        if at_work is None:
            return False
        try:
            self._guard.admit(shown, name)
        except NoriaError:
            return False
        read = at_work.quick.read(body)
        if read is None:
            return False
        rows, many = read

        def ended(how: Sequence[Answered] | NoriaError) -> None:
            if isinstance(how, NoriaError):
                give(STATUS.get(how.code, 500), refusal(how, 0).body)
            else:
                give(200, _encode({"rows": how} if many else how[0]))

        return self._desk.take(at_work, rows, ended)


class _Own:
    def __init__(self, desk: Desk, later: Later | None, group: Group, reasons: Reasons) -> None:
        self._desk = desk
        self._reasons = reasons
        self._later = later
        self._group = group

    async def predict(self, call: Call) -> Reply:
        deployment = call.names["name"]
        if self._later is not None and unattended(call.query, call.headers.get("prefer", "")):
            return await self._later(deployment, call.body, asking(call))
        asked = document(call.body)
        if "explain" in asked:
            return await self._explained(call, asked)
        if "rows" not in asked:
            (answered,) = await self._desk.predict(deployment, [item(asked)], asking(call))
            return Reply(body=orjson.dumps(spoken(answered)))
        rows = asked["rows"]
        if not isinstance(rows, list) or len(asked) > 1:
            raise RequestInvalid(
                "rows is not a list, or not alone", fields={"rows": 'must be a list of {"id", "inputs"}, and the only field'}
            )
        answers = await self._desk.predict(deployment, [item(row) for row in rows], asking(call))
        return Reply(body=orjson.dumps({"rows": [spoken(answered) for answered in answers]}))

    async def _explained(self, call: Call, asked: dict[str, Any]) -> Reply:
        explain = asked.pop("explain")
        rows = asked.get("rows", [asked])
        if not isinstance(rows, list) or ("rows" in asked and len(asked) > 1):
            raise RequestInvalid(
                "rows is not a list, or not alone", fields={"rows": 'must be a list of {"id", "inputs"}; explain goes beside'}
            )
        answers, reasons = await self._reasons.predict(call.names["name"], [item(row) for row in rows], asking(call), explain)
        told = [spoken(answered) for answered in answers]
        if reasons is not None:
            told = [one | {"explanation": why} for one, why in zip(told, reasons, strict=True)]
        return said({"rows": told} if "rows" in asked else told[0])

    async def feedback(self, call: Call) -> Reply:
        deployment, told = call.names["name"], document(call.body).get("outcomes")
        if not isinstance(told, list):
            raise RequestInvalid(
                "there is no list of outcomes", fields={"outcomes": 'must be a list of {"id", "value", "time"?, "metrics"?}'}
            )
        if len(told) > OUTCOME_LIMIT:
            raise RequestInvalid(f"{len(told):,} outcomes in one request", fields={"outcomes": f"must be at most {OUTCOME_LIMIT:,}"})
        outcomes = []
        for place, one in enumerate(told):
            try:
                if not isinstance(one, dict):
                    raise RequestInvalid("is not an object", fields={"outcome": "must be an object"})
                when, metrics = _moment(one.get("time")), one.get("metrics")
                outcomes.append(self._desk.outcome(deployment, one.get("id"), one.get("value"), when, metrics=metrics))
            except RequestInvalid as error:
                fields = {f"outcomes[{place}].{name}": why for name, why in error.fields.items()}
                raise RequestInvalid(f"outcome {place}: {error.message}", fields=fields) from None
        return said({"accepted": await self._desk.feedback(deployment, outcomes)})

    async def live(self, call: Call) -> Reply:
        return Reply(body=b'{"status":"live"}')

    async def ready(self, call: Call) -> Reply:
        if self._desk.ready:
            return Reply(body=b'{"status":"ready"}')
        return Reply(status=503, body=b'{"status":"waiting for a routing plan"}')

    async def plan(self, call: Call) -> Reply:
        numbers = await self._group.numbers()
        return said(
            {
                "revision": numbers.revision,
                "versions": numbers.versions,
                "problems": numbers.problems,
                "counters": numbers.counters,
                "workers": numbers.workers,
                **({"models": numbers.models} if numbers.models else {}),
            }
        )

    async def metrics(self, call: Call) -> Reply:
        return Reply(body=text(await self._group.numbers()), content_type=CONTENT_TYPE)


def refusal(error: NoriaError, status: int) -> Reply:
    """An error as this protocol says it."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.fix:
        told["fix"] = error.fix
    if isinstance(error, RequestInvalid):
        told["fields"] = error.fields
    return said({"error": told}, status)


def spoken(answered: Answered) -> dict[str, Any]:
    """One answer as this protocol says it."""
    told = {"id": answered.id, "version": answered.version, "prediction": answered.prediction, "role": answered.role}
    if answered.label is not None:
        told["label"] = answered.label
    return told


def item(row: object) -> Item:
    """A row as this protocol has it.

    Raises:
        RequestInvalid: it is no object of `inputs` and, if anything, `id`.
    """
    if not isinstance(row, dict) or "inputs" not in row:
        raise RequestInvalid("there are no inputs", fields={"inputs": 'is missing; send {"inputs": {…}} or {"rows": [{"inputs": {…}}, …]}'})
    if len(row) > 2 or (len(row) == 2 and "id" not in row):
        unknown = ", ".join(sorted(set(row) - {"id", "inputs"}))[:200]
        raise RequestInvalid(f"unknown: {unknown}", fields={unknown: "is not part of a request; fields of the model go into inputs"})
    return row.get("id"), row["inputs"]


def _moment(time: object) -> int | None:
    if time is None:
        return None
    try:
        return to_ms(datetime.fromisoformat(time))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise RequestInvalid("time is not ISO 8601", fields={"time": "write it such as '2026-03-01T12:30:00Z'"}) from None
