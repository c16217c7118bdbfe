"""Server reflection (https://grpc.io/docs/guides/reflection): tools such as grpcurl ask for the messages, and need no .proto file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from noria.dataplane.grpc.calls import read, streamed
from noria.dataplane.grpc.declare import Messages
from noria.dataplane.grpc.messages import health, oip

_TABLE = {
    "ServerReflectionRequest": """host 1 string, file_by_filename 3 |string, file_containing_symbol 4 |string,
        file_containing_extension 5 |ExtensionRequest, all_extension_numbers_of_type 6 |string, list_services 7 |string""",
    "ExtensionRequest": "containing_type 1 string, extension_number 2 int32",
    "ServerReflectionResponse": """valid_host 1 string, original_request 2 ServerReflectionRequest,
        file_descriptor_response 4 |FileDescriptorResponse, all_extension_numbers_response 5 |ExtensionNumberResponse,
        list_services_response 6 |ListServiceResponse, error_response 7 |ErrorResponse""",
    "FileDescriptorResponse": "file_descriptor_proto 1 *bytes",
    "ExtensionNumberResponse": "base_type_name 1 string, extension_number 2 *int32",
    "ListServiceResponse": "service 1 *ServiceResponse",
    "ServiceResponse": "name 1 string",
    "ErrorResponse": "error_code 1 int32, error_message 2 string",
}
_PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
_METHODS = {"ServerReflection": "ServerReflectionInfo *ServerReflectionRequest *ServerReflectionResponse"}

NAMES = tuple(f"{package}.ServerReflection" for package in _PACKAGES)
"""The service under both of its names: clients of some age know the second alone."""

_versions = {f"{package}.ServerReflection": Messages(package, _TABLE, services=_METHODS) for package in _PACKAGES}
_all = (oip, health, *_versions.values())


def methods(name: str) -> Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]:
    """The one method; open to everybody: it tells the protocol and nothing of the models."""
    messages = _versions[name]

    async def info(coming: AsyncIterator[bytes], admitted: Callable[[str], None]) -> AsyncGenerator[Any, None]:
        async for data in coming:
            asked = read(messages["ServerReflectionRequest"], data)
            said = messages["ServerReflectionResponse"](valid_host=asked.host, original_request=asked)
            _answer(asked, said)
            yield said

    return {"ServerReflectionInfo": streamed(info, _everybody)}


def _answer(asked: Any, said: Any) -> None:
    what = asked.WhichOneof("parameter_choice") or ""
    if what == "list_services":
        for file in (messages.file for messages in _all):
            for service in file.service:
                said.list_services_response.service.add(name=f"{file.package}.{service.name}")
        return
    wanted = getattr(asked, what) if what in ("file_by_filename", "file_containing_symbol") else None
    found = None if wanted is None else _file(wanted, by_name=what == "file_by_filename")
    if found is None:
        said.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
        said.error_response.error_message = f"there is no {wanted or what or 'such thing'!r}"
    else:
        said.file_descriptor_response.file_descriptor_proto.append(found.SerializeToString())


def _file(wanted: str, *, by_name: bool) -> FileDescriptorProto | None:
    for messages in _all:
        try:
            if by_name:
                messages.pool.FindFileByName(wanted)
            else:
                messages.pool.FindFileContainingSymbol(wanted)
        except KeyError:
            continue
        return messages.file
    return None


def _everybody(context: object, deployment: str) -> None:
    """Admit everybody."""
