"""An answer in pieces as several inference responses, after the decoupled models of Triton."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from noria.core.errors import Unavailable
from noria.dataplane.faces.streams import IDLE_S
from noria.dataplane.grpc import contents
from noria.dataplane.grpc.messages import oip
from noria.dataplane.tensors import BYTES, Tensor
from noria.stages.serving.streaming import Streamed

PIECE = "piece"
"""The output that holds a piece: text as such, anything else as JSON."""

_FINAL, _FINAL_WANTED = "triton_final_response", "triton_enable_empty_final_response"


async def in_pieces(asked: Any, streamed: Streamed) -> AsyncGenerator[Any, None]:
    """A response for each piece and, where the request asks for it, an empty one at the end; closing it stops the model.

    Raises:
        Unavailable: the version failed, or gave nothing for `IDLE_S`.
    """
    raw = contents.asked_raw(asked)
    try:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    piece = await anext(streamed)
            except StopAsyncIteration:
                break
            except TimeoutError:
                error = Unavailable(f"version {streamed.version} gave no piece for {IDLE_S:g} s")
                streamed.fail(error.message)
                raise error from None
            response = _response(asked, streamed, final=False)
            value = orjson.loads(piece) if piece[:1] == b'"' else piece
            contents.answer(response, [Tensor(name=PIECE, datatype=BYTES, shape=(1, 1), values=[value])], raw=raw)
            yield response
    finally:
        streamed.close()
    if _FINAL_WANTED in asked.parameters and asked.parameters[_FINAL_WANTED].bool_param:
        yield _response(asked, streamed, final=True)


def _response(asked: Any, streamed: Streamed, *, final: bool) -> Any:
    response = oip["ModelInferResponse"](model_name=asked.model_name, model_version=str(streamed.version), id=asked.id)
    response.parameters[_FINAL].bool_param = final
    return response
