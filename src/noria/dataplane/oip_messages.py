"""Inference requests and responses of the Open Inference Protocol over HTTP: JSON, and raw tensors behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import orjson

from noria.core.errors import RequestInvalid
from noria.dataplane.exchange import Call, Reply, document
from noria.dataplane.tensor_forms import Wanted
from noria.dataplane.tensors import Tensor, checked_shape, misfit, raw_of, tensor, tensor_of_raw

HEADER = "inference-header-content-length"
"""How many bytes of a body are JSON, where raw tensors follow."""

BINARY = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Infer:
    """One inference request.

    Attributes:
        wanted: Outputs in the order of the answer; none = all.
        raw: Output to whether it goes as bytes, where its caller says so.
        raw_all: The same for the others.
        hint: MLServer's content type of the whole request.
    """

    id: str
    tensors: tuple[Tensor, ...]
    wanted: tuple[Wanted, ...] = ()
    raw: Mapping[str, bool] = field(default_factory=dict)
    raw_all: bool = False
    hint: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def infer_of(call: Call) -> Infer:
    """The request in a call whose body is unpacked.

    Raises:
        Refused: the JSON is none.
        RequestInvalid: it is no inference request; what is wrong is named.
    """
    told, behind = _parted(call)
    asked = document(told, nan=True)
    parameters = _parameters(asked, "the request")
    hint = str(parameters.get("content_type", ""))
    wanted = [_wanted(one) for one in _list(asked, "outputs")]
    return Infer(
        id=_text(asked, "id"),
        tensors=tuple(_tensors(_list(asked, "inputs"), behind, hint)),
        wanted=tuple(want for want, _ in wanted),
        raw={want.name: raw for want, raw in wanted if raw is not None},
        raw_all=parameters.get("binary_data_output") is True,
        hint=hint,
        parameters=parameters,
    )


def reply_of(asked: Infer, head: Mapping[str, Any], outputs: Sequence[Tensor]) -> Reply:
    """The response: `head` and the outputs, as JSON or raw as the request wanted each."""
    behind: list[bytes] = []
    told: list[dict[str, Any]] = []
    for one in outputs:
        line: dict[str, Any] = {"name": one.name, "datatype": one.datatype, "shape": one.shape}
        parameters: dict[str, Any] = {"content_type": "str" if one.datatype == "BYTES" else "np"} if asked.hint else {}
        if asked.raw.get(one.name, asked.raw_all):
            behind.append(raw_of(one))
            parameters["binary_data_size"] = len(behind[-1])
        else:
            line["data"] = one.values
        told.append(line | ({"parameters": parameters} if parameters else {}))
    body = orjson.dumps({**head, "outputs": told})
    if not behind:
        return Reply(body=body)
    return Reply(body=body + b"".join(behind), content_type=BINARY, headers=((HEADER, str(len(body))),))


def _parted(call: Call) -> tuple[bytes, memoryview]:
    length = call.headers.get(HEADER)
    if length is None:
        return call.body, memoryview(b"")
    if not (length.isascii() and length.isdigit() and 0 < int(length[:10]) <= len(call.body)):
        wanted = f"must be 1 to {len(call.body)}, the bytes of the JSON in this body"
        raise RequestInvalid(f"the header {HEADER} is {length[:20]!r}: it {wanted}", fields={HEADER: wanted})
    at = int(length[:10])
    return call.body[:at], memoryview(call.body)[at:]


def _tensors(told: Sequence[object], behind: memoryview, hint: str) -> list[Tensor]:
    found, at = [], 0
    for place, one in enumerate(told):
        if not isinstance(one, dict):
            raise RequestInvalid(f"inputs[{place}] is not an object", fields={f"inputs[{place}]": "must be an object"})
        name, parameters = _text(one, "name", required=True), _parameters(one, f"inputs[{place}]")
        datatype, shape = _text(one, "datatype", required=True), one.get("shape")
        content_type = str(parameters.get("content_type", hint))
        if "shared_memory_region" in parameters:
            raise misfit(name, "lies in shared memory, which is not supported")
        size = parameters.get("binary_data_size")
        if size is None:
            data = _flat(name, checked_shape(name, datatype, shape), one.get("data"))  # type: ignore[arg-type]
            found.append(tensor(name, datatype, shape, data, content_type=content_type))  # type: ignore[arg-type]
            continue
        if type(size) is not int or not 0 <= size <= len(behind) - at or "data" in one:
            raise misfit(
                name, f"says that it has {str(size)[:20]} bytes behind the JSON; {len(behind) - at} are left, and data must be out"
            )
        found.append(tensor_of_raw(name, datatype, shape, behind[at : at + size], content_type=content_type))  # type: ignore[arg-type]
        at += size
    if at != len(behind):
        raise RequestInvalid(f"{len(behind) - at} bytes behind the JSON belong to no input", fields={"inputs": "name too few bytes"})
    return found


def _flat(name: str, shape: tuple[int, ...], data: object) -> list[Any]:
    """The values of a tensor that came flat, or nested exactly as its shape says."""
    if data is None:
        raise misfit(name, "has no data")
    if not isinstance(data, list):
        return [data]
    if not any(isinstance(one, list) for one in data):
        return data
    level: list[Any] = [data]
    for size in shape:
        if any(not isinstance(one, list) or len(one) != size for one in level):
            raise misfit(name, f"is not nested as its shape {list(shape)} says; {prod(shape):,} values in one flat list will do")
        level = [value for one in level for value in one]
    return level


def _wanted(told: object) -> tuple[Wanted, bool | None]:
    if not isinstance(told, dict):
        raise RequestInvalid("an output is not an object", fields={"outputs": 'must be a list of {"name"}'})
    name, parameters = _text(told, "name", required=True), _parameters(told, "an output")
    if "shared_memory_region" in parameters:
        raise misfit(name, "shall lie in shared memory, which is not supported")
    count, raw = parameters.get("classification", 0), parameters.get("binary_data")
    if type(count) is not int or count < 0:
        raise misfit(name, "has a classification that is no whole number")
    return Wanted(name=name, classification=count), raw if isinstance(raw, bool) else None


def _list(asked: Mapping[str, Any], name: str) -> list[Any]:
    told = asked.get(name)
    if told is None:
        return []
    if not isinstance(told, list):
        raise RequestInvalid(f"{name} is not a list", fields={name: "must be a list"})
    return told


def _text(asked: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    told = asked.get(name)
    if told is None and not required:
        return ""
    if not isinstance(told, str) or (required and not told):
        raise RequestInvalid(f"{name} is not text", fields={name: "must be text"})
    return told


def _parameters(asked: Mapping[str, Any], whose: str) -> dict[str, Any]:
    told = asked.get("parameters")
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise RequestInvalid(f"the parameters of {whose} are not an object", fields={"parameters": "must be an object"})
    return told
