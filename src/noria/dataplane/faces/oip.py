"""The Open Inference Protocol over HTTP, with Triton's binary tensors: `tritonclient`, KServe's and MLServer's clients speak it."""

from __future__ import annotations

from collections.abc import Sequence

import noria
from noria.core.errors import NotFound, RequestInvalid
from noria.dataplane import compression
from noria.dataplane.asked import asking
from noria.dataplane.exchange import Call, Endpoint, Face, Handler, Reply, document, one_text, said
from noria.dataplane.faces.oip_models import config, index, metadata, statistics
from noria.dataplane.oip_messages import infer_of, reply_of
from noria.dataplane.reasons import Reasons, reasons_tensor
from noria.dataplane.tensor_forms import check_wanted, items_of, request_id, rows_of, tensors_of, version_asked, versions_told
from noria.stages.serving.desk import Deployed, Desk
from noria.stages.serving.explaining import Explaining

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")

_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_SHARED = ("/v2/systemsharedmemory", "/v2/cudasharedmemory")


def face(desk: Desk, *, explaining: Explaining | None = None) -> Face:
    """The protocol over a desk; `explaining` gives reasons."""
    oip = _Oip(desk, Reasons(desk, explaining))
    return Face(
        name="Open Inference Protocol",
        prefixes=("/v2",),
        endpoints=(
            _get("/v2", oip.server, "What the server is, and which extensions it speaks"),
            _get("/v2/health/live", oip.live, "Whether the process runs", open=True),
            _get("/v2/health/ready", oip.ready, "Whether requests can be answered", open=True),
            _get("/v2/models/stats", oip.stats, "How often each version answered"),
            *_both("GET", "", oip.model, "Inputs, outputs and versions of a model"),
            *_both("GET", "/ready", oip.model_ready, "Whether a model answers"),
            *_both("GET", "/config", oip.config, "A model as Triton configures one"),
            *_both("GET", "/stats", oip.stats, "How often a model answered"),
            *_both("POST", "/infer", oip.infer, "Answers to the rows of input tensors"),
            _post("/v2/repository/index", oip.index, "All models"),
            _post("/v2/repository/models/{name}/load", oip.load, "Nothing, if the model is there"),
            _post("/v2/repository/models/{name}/unload", oip.unload, "Refused: the control plane says what is served"),
            *(_get(path, oip.nothing, "Nothing: shared memory is not supported") for shared in _SHARED for path in _status(shared)),
            *(_post(path, oip.no_sharing, "Refused: shared memory is not supported") for shared in _SHARED for path in _changes(shared)),
            _get("/v2/logging", oip.no_settings, "Nothing can be set here"),
            _post("/v2/logging", oip.no_settings, "Refused"),
            _get("/v2/trace/setting", oip.no_settings, "Nothing can be set here"),
            _post("/v2/trace/setting", oip.no_settings, "Refused"),
            _get(_MODEL + "/trace/setting", oip.no_settings, "Nothing can be set here"),
            _post(_MODEL + "/trace/setting", oip.no_settings, "Refused"),
        ),
        refusal=one_text,
    )


class _Oip:
    def __init__(self, desk: Desk, reasons: Reasons) -> None:
        self._desk = desk
        self._reasons = reasons

    async def server(self, call: Call) -> Reply:
        return said({"name": "noria", "version": noria.__version__, "extensions": EXTENSIONS})

    async def live(self, call: Call) -> Reply:
        return said({"live": True})

    async def ready(self, call: Call) -> Reply:
        if self._desk.ready:
            return said({"ready": True})
        return said({"ready": False, "error": "waiting for a routing plan"}, 503)

    async def model(self, call: Call) -> Reply:
        return said(metadata(self._deployed(call)))

    async def model_ready(self, call: Call) -> Reply:
        return said({"name": self._deployed(call).name, "ready": True})

    async def config(self, call: Call) -> Reply:
        return said(config(self._deployed(call), self._desk.row_limit))

    async def stats(self, call: Call) -> Reply:
        only = self._deployed(call) if "name" in call.names else None
        return said({"model_stats": statistics(self._desk, only)})

    async def infer(self, call: Call) -> Reply:
        deployed = self._deployed(call)
        asked = infer_of(call)
        check_wanted(deployed.signature, asked.wanted)
        asked_id = request_id(asked.id)
        items = items_of(asked_id, rows_of(deployed.signature, asked.tensors))
        how = asking(call, version=version_asked(call.names.get("version", "")))
        answers, reasons = await self._reasons.predict(deployed.name, items, how, asked.parameters.get("explain"))
        outputs = tensors_of(deployed.signature, answers, asked.wanted)
        if reasons is not None:
            outputs.append(reasons_tensor(reasons))
        head = {"model_name": deployed.name, "model_version": versions_told(answers, deployed.version), "id": asked_id}
        return compression.packed(call, reply_of(asked, head, outputs))

    async def index(self, call: Call) -> Reply:
        only_ready = bool(call.body.strip()) and document(call.body).get("ready") is True
        return said(index(self._desk, only_ready=only_ready))

    async def load(self, call: Call) -> Reply:
        self._deployed(call)
        return said({})

    async def unload(self, call: Call) -> Reply:
        name = self._deployed(call).name
        raise RequestInvalid(f"{name!r} is not unloaded from here", fix="the control plane decides what is served")

    async def nothing(self, call: Call) -> Reply:
        return said([])

    async def no_sharing(self, call: Call) -> Reply:
        raise RequestInvalid("shared memory is not supported", fix="send tensors as JSON or behind it")

    async def no_settings(self, call: Call) -> Reply:
        if call.method == "GET":
            return said({})
        raise RequestInvalid("nothing can be set here", fix="settings are the environment's, see docs/reference.md")

    def _deployed(self, call: Call) -> Deployed:
        deployed = self._desk.deployed(call.names["name"])
        version = version_asked(call.names.get("version", ""))
        if version is not None and version not in deployed.versions:
            raise NotFound(f"version {version} of {deployed.name!r} is not at work; there are {', '.join(map(str, deployed.versions))}")
        return deployed


def _get(pattern: str, handler: Handler, summary: str, *, open: bool = False) -> Endpoint:
    return Endpoint(method="GET", pattern=pattern, handler=handler, open=open, summary=summary)


def _post(pattern: str, handler: Handler, summary: str) -> Endpoint:
    return Endpoint(method="POST", pattern=pattern, handler=handler, summary=summary)


def _both(method: str, ending: str, handler: Handler, summary: str) -> Sequence[Endpoint]:
    """With and without a version in the path."""
    return [Endpoint(method=method, pattern=start + ending, handler=handler, summary=summary) for start in (_MODEL, _VERSION)]


def _status(shared: str) -> Sequence[str]:
    return f"{shared}/status", f"{shared}/region/{{name}}/status"


def _changes(shared: str) -> Sequence[str]:
    return f"{shared}/unregister", f"{shared}/region/{{name}}/register", f"{shared}/region/{{name}}/unregister"
