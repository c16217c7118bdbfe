"""How a call over gRPC is carried out: bytes in, bytes out, and whatever goes wrong as a status that says why."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext

from noria.core.errors import NoriaError, RequestInvalid
from noria.dataplane.exchange import Refused
from noria.dataplane.grpc.statuses import said_of, status_of

_log = logging.getLogger("noria.dataplane")

Admit = Callable[[ServicerContext[Any, Any]], None]
"""Raises `NoriaError` for a caller who may not call."""

_FAILED = NoriaError("the server failed on this request; its log says why")


def bearer(token: str) -> Admit:
    """Admits callers with the metadata `authorization: Bearer <token>`; everybody when the token is ""."""
    wanted = f"Bearer {token}".encode()

    def admit(context: ServicerContext[Any, Any]) -> None:
        if not token:
            return
        told = dict(context.invocation_metadata() or ()).get("authorization", "")
        if not hmac.compare_digest(told.encode() if isinstance(told, str) else told, wanted):
            raise Refused("unauthorized", "a bearer token is needed", fix="send the metadata `authorization: Bearer <token>`")

    return admit


def read(kind: Callable[[], Any], data: bytes) -> Any:
    """The message in `data`.

    Raises:
        RequestInvalid: it is none of this kind.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise RequestInvalid(f"the request is no {message.DESCRIPTOR.name}: {error}", fields={"request": "cannot be read"}) from None
    return message


def unary(kind: Callable[[], Any], handler: Callable[[Any], Awaitable[Any]], admit: Admit) -> grpc.RpcMethodHandler[bytes, bytes]:
    """One message in, one out."""

    async def call(data: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
        try:
            admit(context)
            return (await handler(read(kind, data))).SerializeToString()
        except NoriaError as error:
            await _refuse(context, error)
        except Exception:  # noqa: BLE001 - no traceback leaves the server; its log keeps it
            _log.exception("a request over gRPC failed")
            await _refuse(context, _FAILED)

    return grpc.unary_unary_rpc_method_handler(call)


def streamed(
    handler: Callable[[AsyncIterator[bytes]], AsyncIterator[Any]], admit: Admit, *, many_in: bool = True
) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Messages out as they come, for messages in as they come (`many_in`), or for one."""

    async def call(data: Any, context: ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        try:
            admit(context)
            async for message in handler(data):
                yield message.SerializeToString()
        except NoriaError as error:
            await _refuse(context, error)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("a stream over gRPC failed")
            await _refuse(context, _FAILED)

    if many_in:
        return grpc.stream_stream_rpc_method_handler(call)
    return grpc.unary_stream_rpc_method_handler(call)


async def _refuse(context: ServicerContext[bytes, bytes], error: NoriaError) -> NoReturn:
    await context.abort(status_of(error), said_of(error))
    raise AssertionError("abort returns to nobody")
