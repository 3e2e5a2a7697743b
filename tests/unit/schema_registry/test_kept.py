"""Compiled schemas on a disk: the registry is asked for each once, and again only for what is damaged."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from structlog.testing import capture_logs

from bobr.errors import UnavailableError
from bobr.ids import SchemaId
from bobr.schema.source.compile import compile_files
from bobr.schema.source.kept import KeptSchemas

FILES = {
    "money.proto": 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }',
    "order.proto": 'syntax = "proto3"; package shop; import "money.proto";'
    " message Order { Money price = 1; }",
}
ONE = SchemaId(1)


class Registry:
    def __init__(self) -> None:
        self.asked: list[SchemaId] = []
        self.is_away = False

    def descriptors(self, schema_id: SchemaId) -> FileDescriptorSet:
        self.asked.append(schema_id)
        if self.is_away:
            raise UnavailableError("away")
        return compile_files(FILES, "order.proto")


def test_each_schema_is_asked_for_once_over_all_starts(tmp_path: Path) -> None:
    registry = Registry()
    for _ in range(3):
        kept = KeptSchemas(tmp_path / "schemas", registry.descriptors)
        assert kept.descriptors(ONE) == compile_files(FILES, "order.proto")
    registry.is_away = True
    assert KeptSchemas(tmp_path / "schemas", registry.descriptors).descriptors(ONE).file
    assert registry.asked == [ONE]


def test_what_the_registry_refuses_is_not_kept(tmp_path: Path) -> None:
    registry = Registry()
    registry.is_away = True
    kept = KeptSchemas(tmp_path, registry.descriptors)
    with pytest.raises(UnavailableError):
        kept.descriptors(ONE)
    registry.is_away = False
    assert kept.descriptors(ONE).file


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"Money", b"Honey")),
        lambda path: path.write_bytes(path.with_name("2.schema").read_bytes()),
    ],
)
def test_a_damaged_file_is_asked_for_again(tmp_path: Path, damage: object) -> None:
    registry = Registry()
    kept = KeptSchemas(tmp_path, registry.descriptors)
    for schema_id in (ONE, SchemaId(2)):
        kept.descriptors(schema_id)
    damage(tmp_path / "1.schema")  # type: ignore[operator]  # a function of a path
    with capture_logs() as lines:
        assert [kept.descriptors(ONE).file[-1].name for _ in "ab"] == ["order.proto"] * 2
    assert registry.asked == [1, 2, 1]
    assert len(lines) == 1


def test_a_disk_that_takes_nothing_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "schemas").write_text("in the way")
    registry = Registry()
    kept = KeptSchemas(tmp_path / "schemas", registry.descriptors)
    with capture_logs() as lines:
        assert kept.descriptors(ONE).file
    assert "a schema can not be kept" in [each["event"] for each in lines]
