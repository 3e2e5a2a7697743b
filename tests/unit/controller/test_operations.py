"""The table of operations against the protocol: neither has what the other lacks, down to the last field."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import get_ident
from typing import Annotated, Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pydantic import BaseModel, BeforeValidator

from bobr.catalog import Catalog
from bobr.controller.api import Api
from bobr.controller.catalog_store import CatalogStore
from bobr.controller.grpc_messages import SERVICE
from bobr.controller.operations import WHOLE, Operation, Operations, in_path
from bobr.controller.registry import Registry, Store
from bobr.runtime.access import Caller
from bobr.runtime.folder import Folder
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog

Schema = Mapping[str, Any]
KINDS: Mapping[str, tuple[int, ...]] = {
    "string": (FieldDescriptor.CPPTYPE_STRING,),
    "boolean": (FieldDescriptor.CPPTYPE_BOOL,),
    "number": (FieldDescriptor.CPPTYPE_DOUBLE,),
    "integer": (
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_UINT64,
        FieldDescriptor.CPPTYPE_INT64,
    ),
}
STRUCT, VALUE = "google.protobuf.Struct", "google.protobuf.Value"


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    folder, log = Folder(root=tmp_path), MemoryLog()
    store, schemas = CatalogStore.in_file(tmp_path / "catalog.db"), Store(tmp_path / "registry.db")
    yield Api(store, Registry(schemas), log, folder, ManualClock(), "secret").operations()
    for each in (schemas, store, log):
        each.close()


def test_each_operation_is_a_call_and_each_call_an_operation(operations: Operations) -> None:
    assert sorted(each.rpc for each in operations) == sorted(SERVICE.methods_by_name)
    assert len({(each.method, each.path) for each in operations}) == len(operations)


def test_what_stands_in_path_and_body_is_a_member_of_what_is_asked_for(
    operations: Operations,
) -> None:
    for each in operations:
        members = set(each.ask.model_fields)
        assert set(in_path(each.path)) <= members, each.path
        assert each.body in (None, WHOLE) or each.body in members, each.path


class _Slow(BaseModel):
    """A body, and the thread that has read it."""

    read_by: Annotated[int, BeforeValidator(lambda _: get_ident())]


class _Read(BaseModel):
    by: int


def test_a_body_is_not_read_where_everybody_waits() -> None:
    async def told(ask: _Slow, _: Caller) -> _Read:
        return _Read(by=ask.read_by)

    def reading(body: str | None) -> Operation[_Slow, _Read]:
        return Operation(
            method="PUT", path="/", summary="", ask=_Slow, answer=_Read, handler=told, body=body
        )

    caller = Caller(
        name="", key="", principal=None, call="", address="", sha256="", seen=Catalog().principals
    )

    async def ask() -> tuple[int, int]:
        """By whom a body is read, and what is none."""
        body, members = reading(WHOLE), reading(None)
        return (await body.call({"read_by": 0}, caller)).by, (
            await members.call({"read_by": 0}, caller)
        ).by

    by_body, by_members = asyncio.run(ask())
    assert by_body != get_ident()
    assert by_members == get_ident(), "it is small"


def test_messages_have_the_members_of_the_json_with_their_types(operations: Operations) -> None:
    asked: dict[str, Schema] = {}
    for each in operations:
        method = SERVICE.methods_by_name[each.rpc]
        assert method.input_type.name == f"{each.rpc}Request"
        walk = Walk(each.ask.model_json_schema(mode="validation"), asked, is_asked=True)
        walk.message(walk.root, method.input_type, each.rpc)
    for each in operations:
        method = SERVICE.methods_by_name[each.rpc]
        assert method.output_type.name == each.answer.__name__
        walk = Walk(each.answer.model_json_schema(mode="serialization"), asked, is_asked=False)
        walk.message(walk.root, method.output_type, each.rpc)
    assert {"Bundle", "StreamInCall", "SqlCatalog"} <= asked.keys(), "down to them"


class Walk:
    """Through a schema of JSON and a message, side by side."""

    def __init__(self, root: Schema, asked: dict[str, Schema], *, is_asked: bool) -> None:
        """asked: messages of requests, by name; filled by the walks through these."""
        self.root = root
        self._asked = asked
        self._is_asked = is_asked
        self._seen: set[str] = set()

    def message(self, schema: Schema, message: Descriptor, path: str) -> None:
        members = schema.get("properties", {})
        assert set(members) == set(message.fields_by_name), path
        if self._is_asked:
            self._asked[message.name] = schema
        for name, member in members.items():
            self.field(member, message.fields_by_name[name], f"{path}.{name}")

    def field(self, schema: Schema, field: FieldDescriptor, path: str) -> None:
        shape, is_nullable = self._plain(schema)
        if shape.get("type") == "array":
            assert field.is_repeated, path
            assert not field.has_presence, path
            self._default_is_empty(schema, path)
            self._one(self._plain(shape["items"])[0], field, path)
        elif isinstance(values := shape.get("additionalProperties"), dict):
            assert _type(field, path).GetOptions().map_entry, path
            self._default_is_empty(schema, path)
            inner = self._plain(values)[0]
            self._one(inner, _type(field, path).fields_by_name["value"], path)
        else:
            assert not field.is_repeated, path
            self._presence(shape, field, path, is_nullable=is_nullable)
            self._one(shape, field, path)

    def _presence(
        self, shape: Schema, field: FieldDescriptor, path: str, *, is_nullable: bool
    ) -> None:
        """In requests what is not set has its default; in answers nothing but null is unset."""
        if "properties" in shape or field.message_type is not None:
            return
        if self._is_asked:
            assert field.has_presence, f"{path} is optional"
        else:
            assert field.containing_type is not None, path
            is_shared = field.containing_type.name in self._asked
            assert is_shared or field.has_presence == is_nullable, path

    def _default_is_empty(self, schema: Schema, path: str) -> None:
        """For repeated fields and maps not set and empty are one."""
        assert not self._is_asked or not schema.get("default"), path

    def _one(self, shape: Schema, field: FieldDescriptor, path: str) -> None:
        if "properties" in shape:
            assert _type(field, path).name == shape["title"], path
            if shape["title"] not in self._seen:
                self._seen.add(shape["title"])
                self.message(shape, _type(field, path), path)
        elif shape.get("additionalProperties") is True:
            assert _type(field, path).full_name == STRUCT, path
        elif "type" not in shape:
            assert _type(field, path).full_name == VALUE, path
        else:
            assert field.cpp_type in KINDS[shape["type"]], path

    def _plain(self, schema: Schema) -> tuple[Schema, bool]:
        """Without references and null, and whether null is there. A time may be 0 in JSON, and is a text here."""
        some = [each for each in schema.get("anyOf", [schema]) if each != {"const": 0}]
        others = [each for each in some if each.get("type") != "null"]
        assert len(others) == 1, schema
        shape = others[0]
        if reference := shape.get("$ref"):
            shape = self.root["$defs"][reference.rpartition("/")[2]]
        if "enum" in shape or "const" in shape:
            shape = {"type": "string"}
        return shape, len(some) > len(others)


def _type(field: FieldDescriptor, path: str) -> Descriptor:
    assert field.message_type is not None, path
    return field.message_type
