"""CloudEvents 1.0 around a call: what came as an event is answered as one, in the same mode."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from noria.core.errors import RequestInvalid
from noria.dataplane.exchange import JSON, Call, Reply, document

STRUCTURED = "application/cloudevents+json"
ANSWERED = "io.kserve.inference.response"

_REQUIRED = ("specversion", "id", "source", "type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What an event says of itself.

    Attributes:
        structured: Whether it was one JSON document; else its attributes were headers.
    """

    id: str
    structured: bool


def opened(call: Call) -> tuple[dict[str, Any], Event | None]:
    """The document in a call, and the event around it, if there is one.

    Raises:
        Refused: the body is not JSON.
        RequestInvalid: it is no object, or an event without what every event has.
    """
    body = document(call.body, nan=True)
    if "ce-specversion" in call.headers:
        return body, _event({name: call.headers.get(f"ce-{name}") for name in _REQUIRED}, structured=False)
    if call.kind() != STRUCTURED and not (all(name in body for name in _REQUIRED) and ("data" in body or "data_base64" in body)):
        return body, None
    return _data(body), _event(body, structured=True)


def closed(event: Event, reply: Reply, deployment: str) -> Reply:
    """A reply as an event of its own."""
    attributes = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": f"io.kserve.inference.{deployment}", "type": ANSWERED}
    if not event.structured:
        return replace(reply, headers=(*reply.headers, *((f"ce-{name}", value) for name, value in attributes.items())))
    told = orjson.dumps({**attributes, "datacontenttype": JSON, "data": orjson.Fragment(reply.body)})
    return replace(reply, body=told, content_type=STRUCTURED)


def _event(attributes: Mapping[str, Any], *, structured: bool) -> Event:
    wrong = {name: "must be text" for name in _REQUIRED if not isinstance(attributes.get(name), str) or not attributes[name]}
    if not wrong and not attributes["specversion"].startswith(("1.", "0.3")):
        wrong = {"specversion": "must be 1.0"}
    if wrong:
        raise RequestInvalid("not a CloudEvent: " + "; ".join(f"{name} {why}" for name, why in wrong.items()), fields=wrong)
    return Event(id=attributes["id"], structured=structured)


def _data(body: Mapping[str, Any]) -> dict[str, Any]:
    data = body.get("data")
    if data is None and isinstance(body.get("data_base64"), str):
        try:
            return document(base64.b64decode(body["data_base64"], validate=True), nan=True)
        except binascii.Error as error:
            raise RequestInvalid(f"data_base64 is not base64: {error}", fields={"data_base64": "must be base64"}) from None
    if not isinstance(data, dict):
        raise RequestInvalid("the event's data is not an object", fields={"data": "must be a JSON object"})
    return data
