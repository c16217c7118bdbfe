"""KServe V1 and TensorFlow Serving's REST: `instances` in, `predictions` out; one object per model for both, and for OpenAI's list."""

from __future__ import annotations

import noria
from noria.core.errors import NotFound
from noria.dataplane import cloud_events, compression
from noria.dataplane.asked import asking
from noria.dataplane.exchange import Call, Endpoint, Face, Handler, Reply, id_header, one_text, said
from noria.dataplane.faces.v1_bodies import answered_as, asked_of, metadata
from noria.dataplane.reasons import Reasons
from noria.dataplane.tensor_forms import items_of, request_id, version_asked, versions_told
from noria.stages.serving.desk import Deployed, Desk
from noria.stages.serving.explaining import Explaining

ID_LIMIT = 180
"""Characters of the header x-request-id that are taken for an id."""

_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_LABEL = _MODEL + "/labels/{label}"


def face(desk: Desk, *, explaining: Explaining | None = None) -> Face:
    """The protocol over a desk; `explaining` gives reasons."""
    v1 = _V1(desk, Reasons(desk, explaining))
    return Face(
        name="KServe V1 and TensorFlow Serving",
        prefixes=("/v1",),
        endpoints=(
            _get("/", v1.alive, "Whether the process runs", open=True),
            _get("/v1/models", v1.models, "All models"),
            *(_get(path, v1.model, "Whether a model answers, and its versions") for path in (_MODEL, _VERSION, _LABEL)),
            *(_get(path + "/metadata", v1.metadata, "A model's signature") for path in (_MODEL, _VERSION, _LABEL)),
            *(_post(path + ":predict", v1.predict, "Answers to instances or inputs") for path in (_MODEL, _VERSION, _LABEL)),
            *(_post(path + ":explain", v1.explain, "Answers with their reasons") for path in (_MODEL, _VERSION, _LABEL)),
        ),
        refusal=one_text,
    )


class _V1:
    def __init__(self, desk: Desk, reasons: Reasons) -> None:
        self._desk = desk
        self._reasons = reasons

    async def alive(self, call: Call) -> Reply:
        return said({"status": "alive", "name": "noria", "version": noria.__version__})

    async def models(self, call: Call) -> Reply:
        names = list(self._desk.versions())
        return said({"object": "list", "data": [_listed(name) for name in names], "models": names})

    async def model(self, call: Call) -> Reply:
        deployed = self._desk.deployed(call.names["name"])
        version = _version(call, deployed)
        status = {"error_code": "OK", "error_message": ""}
        versions = deployed.versions if version is None else (version,)
        told = [{"version": str(number), "state": "AVAILABLE", "status": status} for number in versions]
        return said({**_listed(deployed.name), "name": deployed.name, "ready": True, "model_version_status": told})

    async def metadata(self, call: Call) -> Reply:
        deployed = self._desk.deployed(call.names["name"])
        return said(metadata(deployed, _version(call, deployed) or deployed.version))

    async def predict(self, call: Call) -> Reply:
        return await self._answer(call, explain=False)

    async def explain(self, call: Call) -> Reply:
        return await self._answer(call, explain=True)

    async def _answer(self, call: Call, *, explain: bool) -> Reply:
        deployed = self._desk.deployed(call.names["name"])
        version = _version(call, deployed)
        body, event = cloud_events.opened(call)
        asked = asked_of(deployed.signature, body)
        asked_id = request_id(event.id if event else call.headers.get("x-request-id", "")[:ID_LIMIT])
        items = items_of(asked_id, asked.rows)
        answers, reasons = await self._reasons.predict(deployed.name, items, asking(call, version=version), explain)
        headers = (("x-noria-version", versions_told(answers, deployed.version)), *id_header(asked_id))
        told = answered_as(asked, deployed.signature, answers)
        reply = said(told if reasons is None else {"explanations": reasons, **told}, headers=headers)
        return compression.packed(call, cloud_events.closed(event, reply, deployed.name) if event else reply)


def _version(call: Call, deployed: Deployed) -> int | None:
    """The version in the path; TensorFlow Serving's labels are champion and challenger.

    Raises:
        NotFound: no such version is at work.
    """
    if "label" in call.names:
        named = dict(zip(("champion", "challenger"), deployed.versions, strict=False))
        if call.names["label"] not in named:
            raise NotFound(f"no version of {deployed.name!r} has the label {call.names['label'][:100]!r}; there are {', '.join(named)}")
        return named[call.names["label"]]
    version = version_asked(call.names.get("version", ""))
    if version is not None and version not in deployed.versions:
        raise NotFound(f"version {version} of {deployed.name!r} is not at work; there are {', '.join(map(str, deployed.versions))}")
    return version


def _listed(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "noria"}


def _get(pattern: str, handler: Handler, summary: str, *, open: bool = False) -> Endpoint:
    return Endpoint(method="GET", pattern=pattern, handler=handler, open=open, summary=summary)


def _post(pattern: str, handler: Handler, summary: str) -> Endpoint:
    return Endpoint(method="POST", pattern=pattern, handler=handler, summary=summary)
