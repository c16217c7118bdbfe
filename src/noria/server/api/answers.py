"""The forms of the API's answers: core values as JSON, lists under a name, errors in one envelope."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from noria.ports import wire


class ErrorBody(BaseModel):
    """What went wrong and what to do next."""

    code: str
    message: str
    fix: str


class ErrorAnswer(BaseModel):
    """Every error of the API has this form."""

    error: ErrorBody


ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "no such thing"},
    422: {"model": ErrorAnswer, "description": "the request does not fit"},
}

VERB_ERRORS: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    401: {"model": ErrorAnswer, "description": "no token, or a wrong one"},
    409: {"model": ErrorAnswer, "description": "the state of things forbids it now"},
}


def answer(value: Any) -> JSONResponse:
    """Any value of `noria.core` as JSON; NaN and infinities become null."""
    return JSONResponse(wire.plain(value))
