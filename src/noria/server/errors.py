"""How an error of the house becomes an answer over HTTP."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from noria.core.errors import NoriaError, RequestInvalid, TooManyTries
from noria.server.headers import HEADERS

log = logging.getLogger(__name__)

STATUS = {
    "unauthorised": 401,
    "too-many-tries": 429,
    "forbidden": 403,
    "host-refused": 421,
    "not-found": 404,
    "blob-missing": 404,
    "already-there": 409,
    "conflict": 409,
    "lease-lost": 409,
    "not-allowed": 409,
    "declaration-invalid": 422,
    "data-invalid": 422,
    "expectations-missed": 422,
    "leakage-found": 422,
    "request-invalid": 422,
    "artifact-rejected": 422,
    "settings-invalid": 422,
    "job-failed": 500,
    "unavailable": 503,
}
"""Error code to HTTP status; a code that is not here is the server's fault: 500."""


def envelope(error: NoriaError) -> JSONResponse:
    """Answer `{"error": {"code", "message", "fix"}}` with the status of the error's code."""
    headers = {"WWW-Authenticate": 'Bearer realm="noria"'} if error.code == "unauthorised" else {}
    if isinstance(error, TooManyTries):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    body = {"code": error.code, "message": error.message, "fix": error.fix}
    return JSONResponse({"error": body}, status_code=STATUS.get(error.code, 500), headers=headers)


def handle_errors(app: FastAPI) -> None:
    """Answer every error in one form: JSON for programs, a page for people."""
    app.add_exception_handler(NoriaError, _noria)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


async def _noria(request: Request, error: Exception) -> Response:
    assert isinstance(error, NoriaError)
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:8])
    return _answer(request, RequestInvalid(said, fix="see /api/v1/openapi.json for what this address takes"))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    plain = NoriaError(f"{request.method} {request.url.path}: {error.detail}", fix="see /api/v1/openapi.json for what there is")
    plain.code = {404: "not-found", 405: "not-allowed"}.get(error.status_code, "noria")
    return _answer(request, plain, status=error.status_code)


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    answer = _answer(request, NoriaError("the server made a mistake and has logged it", fix="look into the server's log"))
    answer.headers.update(HEADERS)  # the outermost layer answers here, so the guard does not see it
    return answer


def _answer(request: Request, error: NoriaError, *, status: int | None = None) -> Response:
    asked = request.app.state.door.asks and request.method == "GET" and error.code == "unauthorised"
    if asked and "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/api/", "/charts/")):
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'next': where})}", status_code=303, headers={"cache-control": "no-store"})
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/api/", "/charts/")):
        from noria.server.page.render import error_page

        return error_page(request, error, status or STATUS.get(error.code, 500))
    answer = envelope(error)
    answer.status_code = status or answer.status_code
    return answer
