"""The Open Inference Protocol over gRPC: each method takes a message and gives one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import orjson
from google.protobuf import json_format

from noria import __version__
from noria.core.errors import NoriaError, NotFound
from noria.dataplane.exchange import Refused
from noria.dataplane.faces.oip_models import config, index, metadata, statistics
from noria.dataplane.grpc import contents
from noria.dataplane.grpc.calls import Admit, read, streamed, unary
from noria.dataplane.grpc.messages import oip
from noria.dataplane.grpc.pieces import in_pieces
from noria.dataplane.grpc.statuses import said_of
from noria.dataplane.limits import Load
from noria.dataplane.tensor_forms import check_wanted, items_of, rows_of, tensors_of, version_asked, versions_told
from noria.stages.serving.asks import Asking
from noria.stages.serving.desk import Deployed, Desk
from noria.stages.serving.pieces import NotStreaming

EXTENSIONS = ("classification", "model_configuration", "model_repository", "statistics")

_OPEN = ("ServerLive", "ServerReady")


def methods(desk: Desk, admit: Admit, load: Load) -> Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]:
    """The methods by name; what is not here is UNIMPLEMENTED."""
    service = _Service(desk, load)
    answered = {
        "ServerLive": service.server_live,
        "ServerReady": service.server_ready,
        "ServerMetadata": service.server_metadata,
        "ModelReady": service.model_ready,
        "ModelMetadata": service.model_metadata,
        "ModelInfer": service.infer,
        "ModelConfig": service.config,
        "ModelStatistics": service.statistics,
        "RepositoryIndex": service.index,
        "RepositoryModelLoad": service.load,
        "RepositoryModelUnload": service.unload,
    }
    found = {name: unary(oip[f"{name}Request"], handler, _nobody if name in _OPEN else admit) for name, handler in answered.items()}
    return {**found, "ModelStreamInfer": streamed(service.stream, admit)}


class _Service:
    def __init__(self, desk: Desk, load: Load) -> None:
        self._desk = desk
        self._load = load
        self._whole: set[tuple[str, int]] = set()

    async def server_live(self, asked: Any) -> Any:
        return oip["ServerLiveResponse"](live=True)

    async def server_ready(self, asked: Any) -> Any:
        return oip["ServerReadyResponse"](ready=self._desk.ready)

    async def server_metadata(self, asked: Any) -> Any:
        return oip["ServerMetadataResponse"](name="noria", version=__version__, extensions=EXTENSIONS)

    async def model_ready(self, asked: Any) -> Any:
        try:
            self._deployed(asked)
        except NoriaError:
            return oip["ModelReadyResponse"](ready=False)
        return oip["ModelReadyResponse"](ready=True)

    async def model_metadata(self, asked: Any) -> Any:
        return _filled("ModelMetadataResponse", metadata(self._deployed(asked)))

    async def infer(self, asked: Any) -> Any:
        with self._load.under_way(asked.model_name):
            return await self._infer(asked)

    async def _infer(self, asked: Any) -> Any:
        deployed, version = self._desk.deployed(asked.model_name), version_asked(asked.model_version)
        wanted = contents.wanted_asked(asked)
        check_wanted(deployed.signature, wanted)
        rows = rows_of(deployed.signature, contents.tensors_asked(asked))
        answers = await self._desk.predict(asked.model_name, items_of(asked.id, rows), Asking(version=version))
        told = oip["ModelInferResponse"](model_name=asked.model_name, model_version=versions_told(answers, deployed.version), id=asked.id)
        contents.answer(told, tensors_of(deployed.signature, answers, wanted), raw=contents.asked_raw(asked))
        return told

    async def stream(self, coming: AsyncIterator[bytes], admitted: Callable[[str], None]) -> AsyncGenerator[Any, None]:
        """Answers to each request, in their order: one, or the pieces of one; a request that fails says so, and the stream goes on."""
        async for data in coming:
            said = oip["ModelStreamInferResponse"]()
            try:
                asked = read(oip["ModelInferRequest"], data)
                said.infer_response.id = asked.id
                admitted(asked.model_name)
                async with aclosing(self._answers(asked)) as answers:
                    async for answer in answers:
                        yield oip["ModelStreamInferResponse"](infer_response=answer)
            except NoriaError as error:
                said.error_message = said_of(error)
                yield said

    async def _answers(self, asked: Any) -> AsyncGenerator[Any, None]:
        """The one answer of a version that gives it whole, or each piece from one that streams."""
        with self._load.under_way(asked.model_name):
            deployed, version = self._desk.deployed(asked.model_name), version_asked(asked.model_version)
            rows = rows_of(deployed.signature, contents.tensors_asked(asked))
            streamed = None
            if len(rows) == 1 and (deployed.name, deployed.version) not in self._whole:
                try:
                    streamed = await self._desk.stream(deployed.name, items_of(asked.id, rows)[0], Asking(version=version))
                except NotStreaming:
                    self._whole.add((deployed.name, deployed.version))
            if streamed is None:
                yield await self._infer(asked)
                return
        async with aclosing(in_pieces(asked, streamed)) as answers:
            async for answer in answers:
                yield answer

    async def config(self, asked: Any) -> Any:
        return _filled("ModelConfigResponse", {"config": config(self._deployed(asked), self._desk.row_limit)})

    async def statistics(self, asked: Any) -> Any:
        """Counts of rows: where one call had many, each of them counts."""
        only = self._deployed(asked) if asked.name else None
        told = statistics(self._desk, only)
        return _filled("ModelStatisticsResponse", {"model_stats": [one for one in told if asked.version in ("", one["version"])]})

    async def index(self, asked: Any) -> Any:
        return _filled("RepositoryIndexResponse", {"models": index(self._desk, only_ready=asked.ready)})

    async def load(self, asked: Any) -> Any:
        self._desk.deployed(asked.model_name)
        return oip["RepositoryModelLoadResponse"](model_name=asked.model_name, isLoaded=True)

    async def unload(self, asked: Any) -> Any:
        self._desk.deployed(asked.model_name)
        raise Refused(
            "method-not-allowed",
            f"{asked.model_name!r} is served as the routing plan says",
            fix="change the plan: `noria rollback`, or end the deployment",
        )

    def _deployed(self, asked: Any) -> Deployed:
        """The deployment that a message names.

        Raises:
            NotFound: there is none, or no such version of it is at work.
            Unavailable: it did not load, or no plan came yet.
        """
        deployed = self._desk.deployed(asked.name)
        version = version_asked(asked.version)
        if version is not None and version not in deployed.versions:
            raise NotFound(f"version {version} of {asked.name!r} is not at work")
        return deployed


def _filled(kind: str, told: dict[str, Any]) -> Any:
    """The message that says what the protocol's REST form says; what it has no field for is left out."""
    return json_format.Parse(orjson.dumps(told), oip[kind](), ignore_unknown_fields=True)


def _nobody(context: object, deployment: str) -> None:
    """Admit everybody."""
