"""The Open Inference Protocol over gRPC: each method takes a message and gives one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc

from noria import __version__
from noria.core.errors import NoriaError, NotFound
from noria.dataplane.exchange import Refused
from noria.dataplane.grpc import contents
from noria.dataplane.grpc.calls import Admit, read, streamed, unary
from noria.dataplane.grpc.messages import oip
from noria.dataplane.grpc.statuses import said_of
from noria.dataplane.tensor_forms import (
    Spec,
    check_wanted,
    inputs_of,
    items_of,
    outputs_of,
    rows_of,
    tensors_of,
    version_asked,
    versions_told,
)
from noria.stages.serving.asks import Asking
from noria.stages.serving.desk import Deployed, Desk

PLATFORM = "noria"
EXTENSIONS = ("model_repository", "model_configuration", "statistics")

_CONFIG_TYPES = {"BYTES": "TYPE_STRING"}
_OPEN = ("ServerLive", "ServerReady")


def methods(desk: Desk, admit: Admit) -> Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]:
    """The methods by name; what is not here is UNIMPLEMENTED."""
    service = _Service(desk)
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
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        deployed = self._deployed(asked)
        told = oip["ModelMetadataResponse"](name=deployed.name, versions=map(str, deployed.versions), platform=PLATFORM)
        for specs, listed in ((inputs_of(deployed.signature), told.inputs), (outputs_of(deployed.signature), told.outputs)):
            for spec in specs:
                listed.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        return told

    async def infer(self, asked: Any) -> Any:
        deployed, version = self._desk.deployed(asked.model_name), version_asked(asked.model_version)
        wanted = contents.wanted_asked(asked)
        check_wanted(deployed.signature, wanted)
        rows = rows_of(deployed.signature, contents.tensors_asked(asked))
        answers = await self._desk.predict(asked.model_name, items_of(asked.id, rows), Asking(version=version))
        told = oip["ModelInferResponse"](model_name=asked.model_name, model_version=versions_told(answers, deployed.version), id=asked.id)
        contents.answer(told, tensors_of(deployed.signature, answers, wanted), raw=contents.asked_raw(asked))
        return told

    async def stream(self, coming: AsyncIterator[bytes], admitted: Callable[[str], None]) -> AsyncIterator[Any]:
        """One answer for each request, in their order; one that fails says so, and the stream goes on."""
        async for data in coming:
            said = oip["ModelStreamInferResponse"]()
            try:
                asked = read(oip["ModelInferRequest"], data)
                admitted(asked.model_name)
                said.infer_response.id = asked.id
                said.infer_response.CopyFrom(await self.infer(asked))
            except NoriaError as error:
                said.error_message = said_of(error)
            yield said

    async def config(self, asked: Any) -> Any:
        deployed = self._deployed(asked)
        config = oip["ModelConfig"](name=deployed.name, platform=PLATFORM, backend="noria")
        for spec in inputs_of(deployed.signature):
            config.input.add(name=spec.name, data_type=_config_type(spec), dims=spec.shape)
        for spec in outputs_of(deployed.signature):
            config.output.add(name=spec.name, data_type=_config_type(spec), dims=spec.shape)
        return oip["ModelConfigResponse"](config=config)

    async def statistics(self, asked: Any) -> Any:
        """Counts of rows: where one call had many, each of them counts."""
        told = oip["ModelStatisticsResponse"]()
        names = [self._deployed(asked).name] if asked.name else list(self._desk.versions())
        version = version_asked(asked.version)
        sums: dict[tuple[str, int], list[int]] = {(name, number): [0, 0, 0] for name in names for number in self._desk.versions()[name]}
        for (name, number, _), tally in list(self._desk.tallies.items()):
            if (held := sums.get((name, number))) is not None:
                held[:] = held[0] + tally.answered, held[1] + tally.failed, held[2] + 1_000 * tally.latency_us
        for (name, number), (answered, failed, ns) in sums.items():
            if version in (None, number):
                one = told.model_stats.add(name=name, version=str(number), inference_count=answered, execution_count=answered + failed)
                one.inference_stats.success.count, one.inference_stats.success.ns = answered, ns
                one.inference_stats.fail.count = failed
        return told

    async def index(self, asked: Any) -> Any:
        told = oip["RepositoryIndexResponse"]()
        for name, numbers in self._desk.versions().items():
            for number in numbers:
                told.models.add(name=name, version=str(number), state="READY")
        for name, why in self._desk.unopened.items():
            if name not in self._desk.versions() and not asked.ready:
                told.models.add(name=name, state="UNAVAILABLE", reason=why)
        return told

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


def _config_type(spec: Spec) -> str:
    return _CONFIG_TYPES.get(spec.datatype, f"TYPE_{spec.datatype}")


def _nobody(context: object, deployment: str) -> None:
    """Admit everybody."""
