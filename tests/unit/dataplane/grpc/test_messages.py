"""Our table of messages against the field's own."""

from __future__ import annotations

import pytest
from tritonclient.grpc import model_config_pb2, service_pb2

from noria.dataplane.grpc.messages import oip

KSERVE_ONLY = {"RepositoryModelLoadResponse", "RepositoryModelUnloadResponse"}


def every(descriptors):
    for descriptor in descriptors:
        yield descriptor
        yield from every(one for one in descriptor.nested_types if not one.GetOptions().map_entry)


OURS = {
    one.full_name.removeprefix("inference."): one
    for one in every(oip.pool.FindFileByName("inference.proto").message_types_by_name.values())
}
THEIRS = {
    one.full_name.removeprefix("inference."): one
    for module in (service_pb2, model_config_pb2)
    for one in every(module.DESCRIPTOR.message_types_by_name.values())
}


def facts(field):
    of = field.message_type or field.enum_type
    choice = field.containing_oneof
    return field.number, field.type, field.is_repeated, of and of.full_name, choice and choice.name


@pytest.mark.parametrize("name", sorted(set(OURS) - KSERVE_ONLY))
def test_a_message_has_the_published_names_numbers_and_types(name) -> None:
    theirs = {field.name: facts(field) for field in THEIRS[name].fields}
    ours = {field.name: facts(field) for field in OURS[name].fields}
    assert ours == {field: theirs[field] for field in ours}


def test_data_types_have_the_published_numbers() -> None:
    ours = oip.pool.FindEnumTypeByName("inference.DataType").values_by_name
    theirs = model_config_pb2.DESCRIPTOR.enum_types_by_name["DataType"].values_by_name
    assert {name: value.number for name, value in ours.items()} == {name: value.number for name, value in theirs.items()}


def test_an_answer_of_ours_is_read_by_the_fields_own_classes() -> None:
    said = oip["ModelInferResponse"](model_name="late", id="mine")
    said.parameters["depth"].int64_param = 3
    said.outputs.add(name="prediction", datatype="FP64", shape=[1, 1]).contents.fp64_contents.append(0.25)
    heard = service_pb2.ModelInferResponse.FromString(said.SerializeToString())
    assert (heard.model_name, heard.id, heard.parameters["depth"].int64_param) == ("late", "mine", 3)
    assert list(heard.outputs[0].contents.fp64_contents) == [0.25]
