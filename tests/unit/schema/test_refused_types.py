"""Message types that no table can hold are refused when they are built, with the field and the reason."""

from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from bobr.errors import RejectedError, SchemaError
from bobr.schema import EventType
from bobr.schema.mapping import COLUMNS_MAX, DEPTH_MAX, SYSTEM_COLUMNS
from bobr.transmitter import sinks

Build = Callable[..., EventType]


def chain(levels: int, fields: int) -> str:
    """Messages inside each other, each with so many fields of the next."""
    parts = [
        f"message L{i} {{ {' '.join(f'L{i + 1} f{n} = {n + 1};' for n in range(fields))} }}"
        for i in range(levels)
    ]
    return " ".join([*parts, f"message L{levels} {{ int32 x = 1; }} message M {{ L0 top = 1; }}"])


@pytest.mark.parametrize(
    ("text", "field", "why"),
    [
        ("message M { In a = 1; } message In { int32 x = 1; int32 X = 2; }", "a.X", "only by case"),
        ("message M { int32 _offset = 1; }", "_offset", "bobr's own column"),
        ("message M { int32 _Event_Times = 1; }", "_Event_Times", "bobr's own column"),
        (f"message M {{ int32 {'x' * 128} = 1; }}", "x" * 128, "longer than 127"),
        (chain(DEPTH_MAX - 1, 1), "top" + ".f0" * (DEPTH_MAX - 1), f"deeper than {DEPTH_MAX}"),
        (chain(12, 2), "top.f0", f"more than {COLUMNS_MAX} columns"),
    ],
)
def test_the_field_is_named(build: Build, text: str, field: str, why: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        build(text)
    assert f"t.M: field {field}" in str(refusal.value)
    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        ("message M {\n  string name = 1;\n    string Name = 2;\n}", 3, 5),
        ("message M {\n  In a = 1;\n}\nmessage In {\n int32 x = 1; int32 X = 2;\n}", 5, 15),
        ("message M {\n  int32 _offset = 1;\n}", 2, 3),
        ('message M {\n  option (bobr.v1.event) = {id: "no"};\n}', 1, 1),
    ],
)
def test_the_place_in_the_file_is_told(build: Build, body: str, line: int, column: int) -> None:
    above = 10  # lines that the fixture writes above the body
    with pytest.raises(SchemaError) as refusal:
        build(body)
    assert str(refusal.value).startswith(f"test.proto:{above + line}:{column}: t.M")


def test_just_within_the_bounds_is_fine(build: Build) -> None:
    build(chain(DEPTH_MAX - 2, 1))
    build(
        "message M { In a = 1; int32 name = 2; } message In { int32 _offset = 1; int32 NAME = 2; }"
    )


def test_types_that_contain_each_other_many_ways_end(build: Build) -> None:
    """Each of nine contains all the others: the ways through them are 9!, and counting stops early."""
    names = [f"N{i}" for i in range(9)]
    text = " ".join(
        f"message {n} {{ {' '.join(f'{o} f{i} = {i + 1};' for i, o in enumerate(names))} }}"
        for n in names
    )
    with pytest.raises(RejectedError, match="more than"):
        build(f"{text} message M {{ N0 top = 1; }}")


def test_system_columns_are_those_of_every_table() -> None:
    assert tuple(sinks.SYSTEM_COLUMNS.names) == SYSTEM_COLUMNS


def test_files_may_come_in_any_order_and_must_be_complete() -> None:
    base = FileDescriptorProto(name="base.proto", package="b", syntax="proto3")
    base.message_type.add(name="B").field.add(
        name="x", number=1, type="TYPE_INT32", label="LABEL_OPTIONAL"
    )
    top = FileDescriptorProto(
        name="top.proto", package="t", syntax="proto3", dependency=["base.proto"]
    )
    field = top.message_type.add(name="M").field.add(name="b", number=1, label="LABEL_OPTIONAL")
    field.type, field.type_name = field.TYPE_MESSAGE, ".b.B"
    event = EventType.build(FileDescriptorSet(file=[top, base, top]), "t.M")
    assert str(event.columns.field("b").type) == "struct<x: int32>"
    with pytest.raises(RejectedError, match=r"top\.proto"):
        EventType.build(FileDescriptorSet(file=[top]), "t.M")
    with pytest.raises(RejectedError, match=r"no message t\.X in base\.proto, top\.proto"):
        EventType.build(FileDescriptorSet(file=[top, base]), "t.X")


def test_a_package_of_ours_is_not_the_users() -> None:
    file = FileDescriptorProto(name="mine.proto", package="bobr.internal", syntax="proto3")
    file.message_type.add(name="Events")
    with pytest.raises(RejectedError, match="can not be used"):
        EventType.build(FileDescriptorSet(file=[file]), "bobr.internal.Events")
