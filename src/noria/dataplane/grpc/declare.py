"""Makes message classes from a table of names and field numbers, so that no generated file is kept.

A field is `name number type`. A type is a scalar of Protocol Buffers, a message of the same table, or an
enumeration; `*` before it repeats it, `%` makes it a map from text, and `|` puts it into the message's one
choice. A message's name with a dot stands inside the one before the dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_SCALARS = {
    name: getattr(FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}
_ONE, _MANY = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED

Table = Mapping[str, str]


class Messages:
    """The message classes of one package, by name: `Messages(…)["ModelInferRequest"]()`.

    They live in a pool of their own, so a client library with classes of the same names can be loaded beside them.

    Args:
        table: Message to its fields, separated by commas.
        enumerations: Name to its values, numbered from 0.
        services: Service to its methods, each `Method Request Response`, with `*` before a side that streams.
    """

    def __init__(self, package: str, table: Table, *, enumerations: Table | None = None, services: Table | None = None) -> None:
        self._package = package
        self._table = table
        self._enumerations = enumerations or {}
        self.pool = DescriptorPool()
        self.file = self._file(services or {})
        self.pool.Add(self.file)
        found = self.pool.FindFileByName(self.file.name).message_types_by_name
        self._classes = {name: GetMessageClass(descriptor) for name, descriptor in found.items()}

    def __getitem__(self, name: str) -> Any:
        return self._classes[name]

    def _file(self, services: Table) -> FileDescriptorProto:
        file = FileDescriptorProto(name=f"{self._package}.proto", package=self._package, syntax="proto3")
        for name, values in self._enumerations.items():
            enumeration = file.enum_type.add(name=name)
            for number, value in enumerate(values.split()):
                enumeration.value.add(name=value, number=number)
        declared: dict[str, DescriptorProto] = {}
        for name, fields in self._table.items():
            outer, _, inner = name.rpartition(".")
            message = declared[outer].nested_type.add(name=inner) if outer else file.message_type.add(name=name)
            declared[name] = message
            for field in filter(None, map(str.strip, fields.split(","))):
                self._add(message, name, *field.split())
        for name, methods in services.items():
            service = file.service.add(name=name)
            for method in filter(None, map(str.strip, methods.split(","))):
                called, asked, said = method.split()
                service.method.add(
                    name=called,
                    input_type=self._full(asked.lstrip("*")),
                    output_type=self._full(said.lstrip("*")),
                    client_streaming=asked.startswith("*"),
                    server_streaming=said.startswith("*"),
                )
        return file

    def _add(self, message: DescriptorProto, path: str, name: str, number: str, kind: str) -> None:
        field = message.field.add(name=name, number=int(number), label=_MANY if kind[0] in "*%" else _ONE)
        of = kind.lstrip("*%|")
        if kind[0] == "%":
            entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
            entry.options.map_entry = True
            self._add(entry, path, "key", "1", "string")
            self._add(entry, path, "value", "2", of)
            field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{self._full(path)}.{entry.name}"
            return
        if kind[0] == "|":
            if not message.oneof_decl:
                message.oneof_decl.add(name="parameter_choice")
            field.oneof_index = 0
        if of in _SCALARS:
            field.type = _SCALARS[of]
        elif of in self._enumerations:
            field.type, field.type_name = FieldDescriptorProto.TYPE_ENUM, self._full(of)
        else:
            field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, self._full(of)

    def _full(self, name: str) -> str:
        return f".{self._package}.{name}"
