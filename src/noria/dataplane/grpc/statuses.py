"""Errors as gRPC says them."""

from __future__ import annotations

import grpc

from noria.core.errors import NoriaError, bounded

_TEXT_LIMIT = 2_000
"""Most characters of a message: it travels in a header, of which clients take 8 kB in all."""

_STATUS = {
    "request-invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "not-json": grpc.StatusCode.INVALID_ARGUMENT,
    "unsupported-media-type": grpc.StatusCode.INVALID_ARGUMENT,
    "not-found": grpc.StatusCode.NOT_FOUND,
    "method-not-allowed": grpc.StatusCode.FAILED_PRECONDITION,
    "unauthorized": grpc.StatusCode.UNAUTHENTICATED,
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "too-large": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too-many-requests": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "too-late": grpc.StatusCode.DEADLINE_EXCEEDED,
}


def status_of(error: NoriaError) -> grpc.StatusCode:
    """The status of an error; what is not known is the server's own fault."""
    return _STATUS.get(error.code, grpc.StatusCode.INTERNAL)


def said_of(error: NoriaError) -> str:
    """What happened and what to do next, in one bounded text."""
    return bounded(f"{error.message}; {error.fix}" if error.fix else error.message, _TEXT_LIMIT)
