"""Answers with their reasons, for every protocol that can ask for them: now, or kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from noria.core.errors import RequestInvalid
from noria.core.explaining import Explanation
from noria.dataplane.tensors import BYTES, Tensor
from noria.stages.serving.asks import Answered, Asking
from noria.stages.serving.desk import Desk
from noria.stages.serving.explaining import Explaining
from noria.stages.serving.items import Item

Reason = dict[str, Any]
"""What a caller reads: an explanation, {"error"} where there is none, or {"later"}: where to ask for it."""

_FIELDS = ("method", "scale", "subject", "base", "margin", "gap", "background")


class Reasons:
    """Predictions, explained where that is asked for.

    Args:
        explaining: None where nothing is explained.
    """

    def __init__(self, desk: Desk, explaining: Explaining | None) -> None:
        self._desk = desk
        self._explaining = explaining

    async def predict(
        self, deployment: str, items: Sequence[Item], asking: Asking, explain: object
    ) -> tuple[list[Answered], list[Reason] | None]:
        """Answers, and a reason for each, or None where none were asked for.

        Args:
            explain: As the caller wrote it: true, false or "later".

        Raises:
            RequestInvalid: as `Explaining.predict`; `explain` is something else.
        """
        if explain is None or explain is False:
            return await self._desk.predict(deployment, items, asking), None
        if explain is not True and explain != "later":
            raise RequestInvalid("explain is neither true nor false", fields={"explain": 'must be true, false or "later"'})
        if self._explaining is None:
            raise RequestInvalid("nothing is explained here", fields={"explain": "must be left out"})
        if explain is True:
            told = await self._explaining.predict(deployment, items, asking)
            return [answer for answer, _ in told], [said(why) for _, why in told]
        answers = await self._explaining.keep(deployment, items, asking)
        return answers, [{"later": f"/api/v1/loops/{deployment}/requests/{quote(one.id, safe='')}"} for one in answers]


def reasons_tensor(reasons: Sequence[Reason]) -> Tensor:
    """Reasons as one more output: each row's as JSON."""
    values = [orjson.dumps(why).decode() for why in reasons]
    return Tensor(name="explanation", datatype=BYTES, shape=(len(values), 1), values=values)


def said(why: Explanation | str) -> Reason:
    """An explanation, or why there is none, as callers read it."""
    if isinstance(why, str):
        return {"error": why}
    parts = [{"feature": one.feature, "value": one.value, "part": one.part} for one in why.parts]
    return {name: getattr(why, name) for name in _FIELDS} | {"parts": parts}
