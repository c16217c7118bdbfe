"""How a call over gRPC is carried out: bytes in, bytes out, and whatever goes wrong as a status that says why."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext

from noria.core.errors import NoriaError, RequestInvalid
from noria.dataplane.grpc.statuses import said_of, status_of
from noria.dataplane.guard import Guard

_log = logging.getLogger("noria.dataplane")

Admit = Callable[[ServicerContext[Any, Any], str], None]
"""Raises `NoriaError` for a caller who may not call a deployment; "" is none of them."""

_FAILED = NoriaError("the server failed on this request; its log says why")


def guarded(guard: Guard) -> Admit:
    """Admits whom the guard admits, by the metadata `authorization: Bearer <key or token>` or `x-api-key`."""

    def admit(context: ServicerContext[Any, Any], deployment: str) -> None:
        metadata = context.invocation_metadata() or ()
        guard.admit({name: value for name, value in metadata if isinstance(value, str)}, deployment)

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
            asked = read(kind, data)
            admit(context, getattr(asked, "model_name", "") or getattr(asked, "name", ""))
            return (await handler(asked)).SerializeToString()
        except NoriaError as error:
            await _refuse(context, error)
        except Exception:  # noqa: BLE001 - no traceback leaves the server; its log keeps it
            _log.exception("a request over gRPC failed")
            await _refuse(context, _FAILED)

    return grpc.unary_unary_rpc_method_handler(call)


def streamed(
    handler: Callable[[Any, Callable[[str], None]], AsyncGenerator[Any, None]], admit: Admit, *, many_in: bool = True
) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Messages out as they come, for messages in as they come (`many_in`), or for one; the handler admits each by its deployment."""

    async def call(data: Any, context: ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        try:
            async with aclosing(handler(data, functools.partial(admit, context))) as messages:
                async for message in messages:
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
