"""Evolution: what is fine passes, in both directions; the event's own fields stay."""

from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.schema.source.evolution import Policy, check, check_all, check_reverse, event_fields
from bobr.schema.source.places import place_of, types_of

Compiled = Callable[[str], FileDescriptorSet]


def judged(old: FileDescriptorSet, new: FileDescriptorSet, policy: Policy) -> list[str]:
    columns = (EventType.build(old, "p.A").columns, EventType.build(new, "p.A").columns)
    return [each.rule for each in check(old, new, "p.A", policy=policy, columns=columns)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("int32 x = 1;", "int32 x = 1; repeated string y = 2;"),
        ("int32 x = 1;", "optional int32 x = 1;"),
        ("int32 x = 1;", "uint32 x = 1;"),
        ("int32 x = 1; int32 y = 2;", "reserved 2; reserved 'y'; int32 x = 1;"),
        ("enum K { N = 0; } K k = 1;", "enum K { N = 0; M = 1; } K k = 1;"),
        ("message B {} int32 x = 1;", "int32 x = 1;"),
        ("int32 x = 1;", "option (bobr.v1.event).key = 'x'; int32 x = 1;"),
        ("string event_id = 1;", "option (bobr.v1.event).id = 'event_id'; string event_id = 1;"),
        ("double event_id = 1;", "reserved 1; reserved 'event_id';"),
        ("map<string, A> m = 1;", "map<string, A> m = 1; A more = 2;"),
    ],
)
def test_fine(compiled: Compiled, before: str, after: str) -> None:
    old, new = (compiled(f"message A {{ {each} }}") for each in (before, after))
    assert judged(old, new, Policy.WIRE_JSON) == []


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ("int32 x = 1;", "int64 x = 1;", []),
        ("int32 x = 1;", "int32 z = 1;", []),
        ("string x = 1;", "bytes x = 1;", ["COLUMN_TYPE"]),
        ("int32 x = 1;", "bool x = 1;", ["COLUMN_TYPE"]),
        ("int32 x = 1;", "reserved 1; int32 X = 2;", ["COLUMN_NAME"]),
        ("float x = 1;", "double x = 1;", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
        ("int32 x = 1;", "reserved 'x';", ["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"]),
    ],
)
def test_by_bytes_alone(compiled: Compiled, before: str, after: str, rules: list[str]) -> None:
    old, new = (compiled(f"message A {{ {each} }}") for each in (before, after))
    assert judged(old, new, Policy.WIRE) == rules


def test_columns_inside_lists_and_maps_are_placed(compiled: Compiled) -> None:
    lines = "message A {{\n  message B {{\n    {} x = 1;\n  }}\n  map<string, B> m = 1;\n  repeated B l = 2;\n}}"
    old, new = (compiled(lines.format(each)) for each in ("string", "bytes"))
    columns = (EventType.build(old, "p.A").columns, EventType.build(new, "p.A").columns)
    problems = check(old, new, "p.A", policy=Policy.WIRE, columns=columns)
    assert [str(each).split(";")[0] for each in problems] == [
        'p.proto:7:5: Column "m.x" can not change from string to binary',
        'p.proto:7:5: Column "l.x" can not change from string to binary',
    ]


def test_changes_in_imported_files_are_placed_there() -> None:
    main = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }'
    imported = 'syntax = "proto3";\nmessage B {\n  %s y = 1;\n}'
    old, new = (
        compile_files({"a.proto": main, "b.proto": imported % kind}, "a.proto")
        for kind in ("int32", "string")
    )
    (problem,) = check(old, new, "A")
    assert (problem.file, problem.line) == ("b.proto", 3)


def test_a_renamed_file_is_still_compared() -> None:
    text = 'syntax = "proto3"; message A { %s x = 1; }'
    old = compile_files({"a.proto": text % "int32"}, "a.proto")
    new = compile_files({"other/b.proto": text % "string"}, "other/b.proto")
    assert [each.file for each in check(old, new, "A")] == ["other/b.proto"]


def test_a_message_that_is_gone_is_told(compiled: Compiled) -> None:
    old, new = compiled("message A {} message B {}"), compiled("message B {}")
    assert [each.rule for each in check(old, new, "p.A")] == ["MESSAGE_GONE"]
    assert [each.rule for each in check_all(old, new, ["p.A", "p.B"])] == ["MESSAGE_GONE"]
    assert check_all(new, old, ["p.A", "p.B"]) == []


def test_old_readers_do_not_miss_what_comes_or_goes(compiled: Compiled) -> None:
    old, new = compiled("message A { int32 x = 1; }"), compiled("message A { int32 y = 2; }")
    assert check_reverse(old, new, ["p.A"]) == []
    typed = compiled("message A { string x = 1; }")
    assert [each.rule for each in check_reverse(old, typed, ["p.A"])] == [
        "FIELD_WIRE_JSON_COMPATIBLE_TYPE"
    ]
    assert check_reverse(compiled("message B {}"), old, ["p.A"]) == []


def test_places_lead_as_far_as_they_can(compiled: Compiled) -> None:
    files = compiled("message A {\n  map<int32, A> m = 1;\n  int32 x = 2;\n}")
    lines = {
        (): 5,
        ("m",): 6,
        ("m", "x"): 7,
        ("m", "m", "m"): 6,
        ("x", "nothing", "below"): 7,
        ("nothing",): 5,
    }
    for path, line in lines.items():
        assert place_of(files, "p.A", path).line == line


@pytest.mark.parametrize(
    "fields",
    [
        "string event_id = 1; google.protobuf.Timestamp event_time = 2;",
        "repeated string event_id = 1; repeated google.protobuf.Timestamp event_time = 2;",
        "bytes event_id = 1; string event_time = 2;",
        "double event_id = 1;",
        "bool event_id = 1;",
        "fixed64 event_id = 1;",
        "A event_id = 1;",
        "google.protobuf.StringValue event_id = 1; google.protobuf.Timestamp event_time = 2;",
        "google.protobuf.UInt64Value event_id = 1;",
        "google.protobuf.BoolValue event_id = 1;",
        "enum E { N = 0; } E event_id = 1;",
        "map<string, string> event_id = 1;",
        "oneof o { string event_id = 1; google.protobuf.Timestamp event_time = 2; }",
        """option (bobr.v1.event) = {id: 'b.y', time: 'b.t', key: 'x'}; string x = 1; B b = 3;
        message B { int32 y = 1; google.protobuf.Timestamp t = 2; } string event_id = 2;""",
    ],
)
def test_the_events_fields_are_those_that_decoding_uses(fields: str) -> None:
    head = 'syntax = "proto3"; import "bobr/v1/options.proto"; import "google/protobuf/timestamp.proto";'
    text = f'{head} import "google/protobuf/wrappers.proto"; message A {{ {fields} }}'
    files = compile_files({"a.proto": text}, "a.proto")
    message = types_of(files)[".A"].type
    assert isinstance(message, DescriptorProto)
    event_type = EventType.build(files, "A")
    paths = {"id": event_type.id_path, "time": event_type.time_path, "key": event_type.key_path}
    assert event_fields(message) == {what: ".".join(path) for what, path in paths.items() if path}
