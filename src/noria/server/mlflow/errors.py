"""Errors as MLflow's clients know them: they look at `error_code`, and come again for minutes after a 5xx."""

from __future__ import annotations

from noria.core.errors import NoriaError

CODES = {
    "request-invalid": ("INVALID_PARAMETER_VALUE", 400),
    "data-invalid": ("INVALID_PARAMETER_VALUE", 400),
    "settings-invalid": ("INVALID_PARAMETER_VALUE", 400),
    "artifact-rejected": ("INVALID_PARAMETER_VALUE", 400),
    "bad-request": ("BAD_REQUEST", 400),
    "too-large": ("INVALID_PARAMETER_VALUE", 413),
    "not-allowed": ("INVALID_PARAMETER_VALUE", 400),
    "already-there": ("RESOURCE_ALREADY_EXISTS", 400),
    "unauthorised": ("UNAUTHENTICATED", 401),
    "too-many-tries": ("UNAUTHENTICATED", 401),
    "forbidden": ("PERMISSION_DENIED", 403),
    "host-refused": ("PERMISSION_DENIED", 421),
    "not-found": ("RESOURCE_DOES_NOT_EXIST", 404),
    "blob-missing": ("RESOURCE_DOES_NOT_EXIST", 404),
    "endpoint-not-found": ("ENDPOINT_NOT_FOUND", 404),
    "conflict": ("RESOURCE_CONFLICT", 409),
    "too-many-requests": ("REQUEST_LIMIT_EXCEEDED", 429),
    "store-full": ("RESOURCE_EXHAUSTED", 507),
    "unavailable": ("TEMPORARILY_UNAVAILABLE", 503),
}
"""A house error's code to MLflow's and its status; what is not here is the server's own fault: 500."""


class EndpointNotFound(NoriaError):
    """A path of the protocol that this server does not take; clients then do without, or use an older form."""

    code = "endpoint-not-found"


def told(error: NoriaError) -> tuple[int, dict[str, str]]:
    """Status and body of an error."""
    code, status = CODES.get(error.code, ("INTERNAL_ERROR", 500))
    return status, {"error_code": code, "message": error.message}
