"""Server reflection: whoever knows the port can learn the protocol."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import aio

from noria.dataplane.grpc import reflection


@pytest.mark.parametrize("name", reflection.NAMES)
def test_services_and_messages_are_told_and_what_is_not_there_is_said(listening, name) -> None:
    messages = reflection._versions[name]

    async def scenario(address, office):
        async with aio.insecure_channel(address) as channel:
            call = channel.stream_stream(f"/{name}/ServerReflectionInfo")()

            async def asked(**what):
                await call.write(messages["ServerReflectionRequest"](**what).SerializeToString())
                return messages["ServerReflectionResponse"].FromString(await call.read())

            services = (await asked(list_services="")).list_services_response.service
            assert [one.name for one in services][:2] == ["inference.GRPCInferenceService", "grpc.health.v1.Health"]
            for what in ({"file_containing_symbol": "inference.GRPCInferenceService"}, {"file_by_filename": "inference.proto"}):
                (told,) = (await asked(**what)).file_descriptor_response.file_descriptor_proto
                pool = DescriptorPool()
                pool.Add(FileDescriptorProto.FromString(told))
                service = pool.FindServiceByName("inference.GRPCInferenceService")
                assert service.methods_by_name["ModelInfer"].input_type.full_name == "inference.ModelInferRequest"
            assert (await asked(file_containing_symbol="inference.Prophecy")).error_response.error_code == 5
            assert (await asked(all_extension_numbers_of_type="inference.ModelInferRequest")).error_response.error_code == 5
            await call.done_writing()

    listening(scenario)
