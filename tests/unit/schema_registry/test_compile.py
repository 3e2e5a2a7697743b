"""Compiling: what it gives, and what it says about bad sources."""

from collections.abc import Mapping

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MessageOptions

from bobr.errors import Problem, SchemaError, UnavailableError
from bobr.schema.source import breaking as breaking_module
from bobr.schema.source import compile as compile_module
from bobr.schema.source.compile import compile_files, importable, parse_schema
from bobr.schema.source.sources import (
    FILES_MAX,
    SOURCE_BYTES_MAX,
    Reference,
    References,
    gather,
    source_of,
    text_of,
)

A = 'syntax = "proto3";\nimport "b/b.proto";\nmessage A { B b = 1; }\n'
B = 'syntax = "proto3";\nimport "google/protobuf/timestamp.proto";\nmessage B { google.protobuf.Timestamp t = 1; }\n'


def problems_of(files: Mapping[str, str | FileDescriptorProto], main: str) -> list[Problem]:
    with pytest.raises(SchemaError) as refused:
        compile_files(files, main)
    return list(refused.value.problems)


def test_imports_come_first_with_source_info_of_texts_only() -> None:
    files = compile_files({"a.proto": A, "b/b.proto": B, "unused.proto": ""}, "a.proto").file
    assert [file.name for file in files] == [
        "google/protobuf/timestamp.proto",
        "b/b.proto",
        "a.proto",
    ]
    assert [len(file.source_code_info.location) > 0 for file in files] == [False, True, True]


def test_texts_and_descriptors_mix() -> None:
    files = compile_files({"a.proto": A, "b/b.proto": B}, "a.proto").file
    mixed = compile_files({"a.proto": A, "b/b.proto": files[1]}, "a.proto").file
    assert list(mixed) == list(files)
    other_name = FileDescriptorProto()
    other_name.CopyFrom(files[1])
    other_name.name = "elsewhere.proto"
    assert compile_files({"a.proto": A, "b/b.proto": other_name}, "a.proto").file[-2] == files[1]


def test_every_problem_has_its_place() -> None:
    bad = 'syntax = "proto3";\nmessage A {\n  int32 a = 1;\n  Nope b = 2;\n  int32 c = 1;\n}\n'
    found = problems_of({"a.proto": bad}, "a.proto")
    assert [(each.file, each.line, each.column, each.rule) for each in found] == [
        ("a.proto", 4, 3, "compile"),
        ("a.proto", 5, 13, "compile"),
    ]
    assert str(found[0]) == 'a.proto:4:3: "Nope" is not defined. [compile]'


@pytest.mark.parametrize("file", ["timestamp", "duration", "struct", "wrappers"])
def test_the_import_of_a_well_known_type_is_named(file: str) -> None:
    name = {"struct": "Value", "wrappers": "Int64Value"}.get(file, file.capitalize())
    bad = f'syntax = "proto3";\nmessage A {{ google.protobuf.{name} x = 1; }}\n'
    (problem,) = problems_of({"a.proto": bad}, "a.proto")
    assert problem.message.endswith(f'Add: import "google/protobuf/{file}.proto";')


def test_missing_imports_are_told() -> None:
    first, second, *_ = problems_of({"a.proto": A}, "a.proto")
    assert str(first) == "b/b.proto: File not found. [compile]"
    assert (second.file, second.line) == ("a.proto", 2)


@pytest.mark.parametrize(
    "name",
    [
        "../a.proto",
        "/etc/a.proto",
        "a/../b.proto",
        "a//b.proto",
        "./a.proto",
        "-I.proto",
        "@a.proto",
        "a\\b.proto",
        "a\nb.proto",
        "",
        ".proto",
        "é.proto",
        f"{'a' * 200}.proto",
        f"{'a/' * 40}a.proto",
    ],
)
def test_names_that_are_no_names_of_files_are_refused(name: str) -> None:
    assert problems_of({name: B}, name)[0].message.startswith("can not be the name of a file")
    assert problems_of({"a.proto": B, name: B}, "a.proto")


def test_a_file_of_events_is_told_to_be_no_schema() -> None:
    (problem,) = problems_of({"carts.ndjson": "{}"}, "carts.ndjson")
    assert str(problem).startswith("carts.ndjson: is not a .proto file")


def test_a_file_is_no_folder() -> None:
    (problem,) = problems_of({"a.proto": B, "a.proto/b.proto": B}, "a.proto")
    assert problem.file == "a.proto/b.proto"


def test_the_main_file_is_among_them() -> None:
    assert problems_of({"a.proto": B}, "b.proto")[0].message == "is not among the files"


def test_size_and_number_are_bounded() -> None:
    many = {f"f{index}.proto": "" for index in range(FILES_MAX + 1)}
    assert str(FILES_MAX) in problems_of(many, "f0.proto")[0].message
    large = {"a.proto": " " * (SOURCE_BYTES_MAX + 1)}
    assert str(SOURCE_BYTES_MAX) in problems_of(large, "a.proto")[0].message


def test_what_breaks_compilers_is_a_problem() -> None:
    deep = 'syntax = "proto3"; ' + "message A {" * 20_000 + "}" * 20_000
    assert "recursion" in problems_of({"a.proto": deep}, "a.proto")[0].message
    half = problems_of({"a.proto": "// \ud800"}, "a.proto")
    assert "surrogate" in half[0].message
    nul = problems_of({"a.proto": "message \0 {}"}, "a.proto")
    assert nul[0].rule == "compile"


def test_who_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_module, "COMPILE_SECONDS_MAX", 0.001)
    assert "did not compile within" in problems_of({"b.proto": B}, "b.proto")[0].message
    files = FileDescriptorSet(file=[FileDescriptorProto(name="a.proto")])
    monkeypatch.setattr(breaking_module, "BUF_SECONDS_MAX", 0.001)
    with pytest.raises(UnavailableError, match="not compared within"):
        breaking_module.breaking(files, files, [], category="WIRE")


def test_a_descriptor_that_lies_is_a_problem() -> None:
    file = FileDescriptorProto(name="a.proto", syntax="proto3")
    message = file.message_type.add(name="A")
    for name in ("a", "b"):
        message.field.add(name=name, number=1, type=5, label=1)
    (problem,) = problems_of({"a.proto": file}, "a.proto")
    assert (problem.file, problem.line) == ("a.proto", 0)
    assert "number 1 has already been used" in problem.message


def test_built_in_files_can_not_be_replaced() -> None:
    fake = 'syntax = "proto3"; package google.protobuf; message Timestamp { string t = 1; }'
    rules = 'syntax = "proto3"; package buf.validate; message Fake {}'
    files = {
        "b/b.proto": B,
        "google/protobuf/timestamp.proto": fake,
        "buf/validate/validate.proto": rules,
    }
    plain = compile_files({"b/b.proto": B}, "b/b.proto")
    assert compile_files(files, "b/b.proto") == plain


def test_warnings_are_no_problems() -> None:
    unused = 'syntax = "proto3"; import "google/protobuf/any.proto"; message A {}'
    assert compile_files({"a.proto": unused}, "a.proto").file[-1].name == "a.proto"


def test_every_syntax_compiles() -> None:
    for head in (
        'syntax = "proto2";',
        'syntax = "proto3";',
        'edition = "2023";',
        'edition = "2024";',
    ):
        assert compile_files({"a.proto": f"{head} message A {{}}"}, "a.proto").file


def test_what_a_registry_keeps_is_text_or_base64() -> None:
    files = parse_schema(A, {"b/b.proto": B})
    assert files.file[-1].name == "schema.proto"
    again = parse_schema(text_of(files.file[-1]), {"b/b.proto": text_of(files.file[-2])})
    assert [file.name for file in again.file] == [file.name for file in files.file]
    assert again.file[-1].message_type == files.file[-1].message_type
    assert parse_schema(B, {"schema.proto": B}).file[-1].name == "_schema.proto"


@pytest.mark.parametrize("text", ["", "abcd", "syntax", "====", " " * 1_000_000 + "{", "\n"])
def test_what_is_no_descriptor_is_text(text: str) -> None:
    assert source_of(text) == text


def test_custom_options_survive() -> None:
    text = (
        'syntax = "proto3"; import "bobr/v1/options.proto"; import "buf/validate/validate.proto";'
        'message A { option (bobr.v1.event).id = "x"; string x = 1 [(buf.validate.field).required = true]; }'
    )
    (message,) = compile_files({"a.proto": text}, "a.proto").file[-1].message_type
    assert b"\n\x01x" in MessageOptions.SerializeToString(message.options)
    assert message.field[0].options.SerializeToString()


class Shelf:
    """References that lead to texts."""

    def __init__(self, schemas: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        self._schemas = schemas

    def __call__(self, reference: Reference) -> tuple[str, References]:
        text, imports = self._schemas[reference.subject]
        return text, refer(*imports)


def refer(*subjects: str) -> References:
    return tuple(Reference(name=f"{each[0]}.proto", subject=each, version=1) for each in subjects)


def test_references_are_followed_to_the_end() -> None:
    shelf = Shelf({"a": ("A", ("b", "c")), "b": ("B", ("c",)), "c": ("C", ())})
    assert gather(refer("a"), shelf) == {"a.proto": "A", "b.proto": "B", "c.proto": "C"}


def test_references_in_a_circle_end() -> None:
    shelf = Shelf({"a": ("A", ("b",)), "b": ("B", ("a",))})
    assert gather(refer("a"), shelf) == {"a.proto": "A", "b.proto": "B"}


def test_references_to_two_files_of_one_name_are_refused() -> None:
    shelf = Shelf({"a": ("A", ()), "another": ("other", ())})
    with pytest.raises(SchemaError, match="referenced twice"):
        gather(refer("a", "another"), shelf)


def test_what_may_be_imported_stands_by_itself() -> None:
    """In an order that any pool takes; protoc with nothing else compiles what imports it."""
    files = importable().file
    known: set[str] = set()
    for file in files:
        assert known.issuperset(file.dependency), file.name
        known.add(file.name)
    assert {"buf/validate/validate.proto", "bobr/v1/options.proto"} <= known
