"""The embedded registry over real HTTP: with the stock clients, and with our own."""

import re
import runpy
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pyarrow as pa
import pytest
import uvicorn
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bobr.controller.registry import Registry, Store, registry_app
from bobr.errors import NotFoundError, RejectedError, SchemaError, UnavailableError
from bobr.ids import SchemaId
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.schema.source.registry import RegistryClient
from bobr.schema.source.sources import Reference, text_of

MONEY = """syntax = "proto3";
package shop.v1;
message Money { string currency = 1; int64 units = 2; }
"""
ORDER = """syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "bobr/v1/options.proto";
import "google/protobuf/timestamp.proto";
import "shop/v1/money.proto";
message Order {
  option (bobr.v1.event) = {id: "order_id", time: "placed_at"};
  string order_id = 1 [(buf.validate.field).string.uuid = true];
  google.protobuf.Timestamp placed_at = 2;
  Money total = 3;
}
"""
FILES = {"shop/v1/order.proto": ORDER, "shop/v1/money.proto": MONEY}
MAIN = "shop/v1/order.proto"


PAGE = Path(__file__).parents[2] / "docs/reference/registry.md"


def saved(folder: Path, name: str) -> Path:
    """The file of that name that the registry's page shows."""
    block = re.search(rf"^```python {name}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert block is not None
    path = folder / name
    path.write_text(block[1])
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A registry that listens."""

    url: str
    registry: Registry


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    store = Store(tmp_path / "registry.sqlite")
    registry = Registry(store)
    config = uvicorn.Config(registry_app(registry), port=0, log_level="error")
    server = _Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(url=f"http://127.0.0.1:{port}", registry=registry)
    server.should_exit = True
    thread.join()
    store.close()


@pytest.fixture
def stock(served: Served) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": served.url, "max.retries": 0}) as client:
        yield client


@pytest.fixture
def client(served: Served) -> Iterator[RegistryClient]:
    client = RegistryClient(served.url)
    yield client
    client.close()


def message_class(files: dict[str, str], main: str, name: str) -> type[Message]:
    """As generated code has it: descriptors without names for JSON and without source info."""
    pool = DescriptorPool()
    for file in compile_files(files, main).file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(name))


def schema(text: str, *references: SchemaReference) -> Schema:
    return Schema(text, "PROTOBUF", list(references))


def meaning(files: FileDescriptorSet) -> list[FileDescriptorProto]:
    """All that was compiled, options included, but where it was written and how it was called."""
    bare = FileDescriptorSet()
    bare.CopyFrom(files)
    bare.file[-1].name = ""
    for file in bare.file:
        file.ClearField("source_code_info")
    return sorted(bare.file, key=lambda file: file.name)


def code_of(error: pytest.ExceptionInfo[SchemaRegistryError]) -> tuple[int, int]:
    return error.value.http_status_code, error.value.error_code


def test_stock_serializer_writes_what_the_stock_deserializer_reads(
    stock: SchemaRegistryClient, client: RegistryClient
) -> None:
    order_class = message_class(FILES, MAIN, "shop.v1.Order")
    order = order_class(order_id="a", total={"currency": "EUR", "units": 7})
    context = SerializationContext("orders", MessageField.VALUE)
    payload = ProtobufSerializer(order_class, stock)(order, context)
    assert payload is not None
    read = ProtobufDeserializer(order_class, {}, stock)(payload, context)
    assert read == order
    assert stock.get_subjects() == [
        "bobr/v1/options.proto",
        "buf/validate/validate.proto",
        "orders-value",
        "shop/v1/money.proto",
    ]
    schema_id = SchemaId(int.from_bytes(payload[1:5], "big"))
    assert meaning(client.descriptors(schema_id)) == meaning(compile_files(FILES, MAIN))


def test_the_framing_of_kafka_is_refused_by_its_name_and_cut_off_as_the_page_says(
    stock: SchemaRegistryClient, tmp_path: Path
) -> None:
    order_class = message_class(FILES, MAIN, "shop.v1.Order")
    order = order_class(order_id="3f1ae6f2-3b5c-4a4e-9d0a-0d3c8b1f6a11")
    context = SerializationContext("orders", MessageField.VALUE)
    payload = ProtobufSerializer(order_class, stock)(order, context)
    assert payload is not None
    event = EventType.build(compile_files(FILES, MAIN), "shop.v1.Order")
    (refused,) = event.check(pa.array([payload], pa.binary()))
    assert "as the Confluent wire format does" in refused.message
    page = runpy.run_path(str(saved(tmp_path, "unframed.py")))
    schema_id, bare = page["unframed"](payload)
    assert schema_id == stock.get_latest_version("orders-value").schema_id
    assert bare == order.SerializeToString()
    assert event.check(pa.array([bare], pa.binary())) == ()


def test_texts_come_back_as_sent_with_references_to_what_clients_do_not_have(
    stock: SchemaRegistryClient,
) -> None:
    stock.register_schema("money", schema(MONEY))
    given = SchemaReference("shop/v1/money.proto", "money", 1)
    schema_id = stock.register_schema("orders-value", schema(ORDER, given))
    stored = stock.get_latest_version("orders-value")
    assert (stored.schema_id, stored.version, stored.subject) == (schema_id, 1, "orders-value")
    assert stored.schema.schema_str == ORDER
    assert stored.schema.references == [
        given,
        SchemaReference("buf/validate/validate.proto", "buf/validate/validate.proto", 1),
        SchemaReference("bobr/v1/options.proto", "bobr/v1/options.proto", 1),
    ]
    assert stock.get_schema(schema_id).schema_str == ORDER
    assert stock.get_referenced_by("money", 1) == [schema_id]


def test_a_stock_deserializer_reads_a_text_with_rules_and_options(
    stock: SchemaRegistryClient, client: RegistryClient
) -> None:
    schema_id = client.register_files("orders-value", FILES, MAIN)
    order_class = message_class(FILES, MAIN, "shop.v1.Order")
    order = order_class(order_id="a", total={"units": 7})
    payload = b"\0" + schema_id.to_bytes(4, "big") + b"\0" + order.SerializeToString()
    read = ProtobufDeserializer(order_class, {}, stock)
    assert read(payload, SerializationContext("orders", MessageField.VALUE)) == order
    serialized = stock.get_latest_version("orders-value", "serialized").schema.schema_str
    assert serialized is not None
    file = FileDescriptorProto.FromString(b64decode(serialized))
    file.name = ""
    assert [file] == meaning(FileDescriptorSet(file=compile_files(FILES, MAIN).file[-1:]))
    assert b"order_id" in file.message_type[0].options.SerializeToString()


def test_text_and_descriptor_are_one_schema_in_all_subjects(stock: SchemaRegistryClient) -> None:
    descriptor = text_of(compile_files({"any/name.proto": MONEY}, "any/name.proto").file[-1])
    other = MONEY.replace("message", "// money\nmessage")
    ids = {
        stock.register_schema("a", schema(MONEY)),
        stock.register_schema("a", schema(other)),
        stock.register_schema("a", schema(descriptor)),
        stock.register_schema("b", schema(descriptor), normalize_schemas=True),
    }
    assert len(ids) == 1
    assert stock.get_versions("a") == stock.get_versions("b") == [1]
    assert stock.lookup_schema("a", schema(descriptor)).schema_id in ids
    assert stock.get_subjects_by_schema_id(ids.pop()) == ["a", "b"]


def test_incompatible_schemas_are_refused_with_the_place(stock: SchemaRegistryClient) -> None:
    stock.register_schema("a", schema(MONEY))
    changed = schema(MONEY.replace("int64 units", "string units"))
    with pytest.raises(SchemaRegistryError) as refused:
        stock.register_schema("a", changed)
    assert code_of(refused) == (409, 409)
    assert "schema.proto:3:" in refused.value.error_message
    assert not stock.test_compatibility("a", changed)
    assert not stock.test_compatibility_all_versions("a", changed, verbose=True)
    stock.set_compatibility("a", "NONE")
    assert stock.test_compatibility("a", changed)
    assert stock.register_schema("a", changed)
    assert stock.get_versions("a") == [1, 2]


def test_what_stock_clients_are_told_when_they_are_wrong(stock: SchemaRegistryClient) -> None:
    stock.register_schema("a", schema(MONEY))
    wrong: dict[tuple[int, int], Callable[[], object]] = {
        (404, 40401): lambda: stock.get_latest_version("nobody"),
        (404, 40402): lambda: stock.get_version("a", 7),
        (404, 40403): lambda: stock.get_schema(4711),
        (404, 40408): lambda: stock.get_compatibility("a"),
        (422, 42201): lambda: stock.register_schema("a", schema("message {")),
        (422, 42202): lambda: stock.get_version("a", 0),
        (422, 42203): lambda: stock.set_compatibility("a", "SIDEWAYS"),
        (422, 42204): lambda: stock.update_mode("a", "IMPORT"),
        (422, 42208): lambda: stock.register_schema("b/versions", schema(MONEY)),
    }
    for expected, call in wrong.items():
        with pytest.raises(SchemaRegistryError) as refused:
            call()
        assert code_of(refused) == expected, refused.value


def test_other_kinds_of_schema_are_refused(stock: SchemaRegistryClient) -> None:
    with pytest.raises(SchemaRegistryError, match="PROTOBUF") as refused:
        stock.register_schema("a", Schema('{"type": "string"}', "AVRO"))
    assert code_of(refused) == (422, 42201)
    assert stock.get_schema_types() == ["PROTOBUF"]


def test_levels_and_modes_of_one_and_of_all(stock: SchemaRegistryClient) -> None:
    assert stock.get_compatibility() == "BACKWARD"
    stock.set_compatibility(level="FULL")
    stock.set_compatibility("a", "forward_transitive")
    assert (stock.get_compatibility(), stock.get_compatibility("a")) == (
        "FULL",
        "FORWARD_TRANSITIVE",
    )
    stock.delete_config("a")
    stock.delete_config()
    assert stock.get_compatibility() == "BACKWARD"
    assert stock.get_global_mode() == "READWRITE"
    stock.update_mode("a", "READONLY")
    with pytest.raises(SchemaRegistryError) as refused:
        stock.register_schema("a", schema(MONEY))
    assert code_of(refused) == (422, 42205)
    stock.delete_mode("a")
    assert stock.register_schema("a", schema(MONEY))
    assert stock.get_contexts() == ["."]


def test_deleted_softly_then_for_good(stock: SchemaRegistryClient) -> None:
    schema_id = stock.register_schema("a", schema(MONEY))
    assert stock.delete_subject("a") == [1]
    assert stock.get_subjects() == []
    assert stock.get_subjects(deleted=True) == ["a"]
    assert stock.get_version("a", 1, deleted=True).schema_id == schema_id
    assert stock.delete_subject("a", permanent=True) == [1]
    assert stock.get_subjects(deleted=True) == []
    assert stock.get_schema(schema_id).schema_str == MONEY
    stock.register_schema("a", schema(MONEY))
    assert stock.get_versions("a") == [2]


def test_what_is_imported_is_not_deleted(stock: SchemaRegistryClient) -> None:
    stock.register_schema("money", schema(MONEY))
    reference = SchemaReference("shop/v1/money.proto", "money", 1)
    stock.register_schema("orders-value", schema(ORDER, reference))
    with pytest.raises(SchemaRegistryError) as refused:
        stock.delete_version("money", 1)
    assert code_of(refused) == (422, 42206)


def test_our_client_registers_looks_up_and_compiles(served: Served, client: RegistryClient) -> None:
    schema_id = client.register_files("orders-value", FILES, MAIN)
    assert client.register_files("orders-value", FILES, MAIN) == schema_id
    assert served.registry.register_files("orders-value", FILES, MAIN) == schema_id
    files = client.descriptors(schema_id)
    assert meaning(files) == meaning(compile_files(FILES, MAIN))
    assert meaning(served.registry.descriptors(schema_id)) == meaning(files)
    assert client.descriptors(schema_id) is files
    money = served.registry.register("money", MONEY)
    assert client.lookup("money", MONEY).id == money == client.register("money", MONEY)


def test_our_client_says_what_went_wrong(served: Served, client: RegistryClient) -> None:
    with pytest.raises(NotFoundError, match="4711"):
        client.descriptors(SchemaId(4711))
    with pytest.raises(NotFoundError, match="nobody"):
        client.lookup("nobody", MONEY)
    with pytest.raises(RejectedError, match="compile"):
        client.register("a", "message {")
    with pytest.raises(RejectedError, match="register it first"):
        client.register("a", MONEY, [Reference(name="b.proto", subject="b", version=1)])
    with pytest.raises(SchemaError, match=r"a\.proto:1:9"):
        client.register_files("a", {"a.proto": "message {"}, "a.proto")
    assert served.registry.subjects() == []


def test_a_registry_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    client = RegistryClient(f"http://user:secret@127.0.0.1:{unused_tcp_port}")
    with pytest.raises(UnavailableError) as away:
        client.descriptors(SchemaId(1))
    assert "secret" not in str(away.value)
    client.close()


@pytest.fixture
def unused_tcp_port() -> Iterator[int]:
    """Bound, so that nobody else takes it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_bodies_and_paths_that_are_no_requests(served: Served) -> None:
    with httpx2.Client(base_url=served.url) as http:
        assert http.get("/nothing").json()["error_code"] == 404
        assert http.put("/subjects").json()["error_code"] == 405
        assert set(http.put("/subjects").headers["allow"].split(", ")) == {"GET", "HEAD"}
        for body in (b"", b"[1]", b"{", b'{"schema": 1}', b'{"a":' * 100_000):
            answer = http.post("/subjects/a/versions", content=body)
            assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)
        too_large = http.post("/subjects/a/versions", content=b" " * (9 * 1024 * 1024))
        assert too_large.status_code == 413
        kind = too_large.headers["content-type"]
        assert kind == "application/vnd.schemaregistry.v1+json"
        assert http.get("/subjects?limit=many").status_code == 400
        assert http.get("/schemas/ids/99999999999999999999").json()["error_code"] == 40403
