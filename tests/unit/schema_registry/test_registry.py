"""What the registry decides: ids, versions, references, levels, deletion."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bobr.controller.registry import (
    LATEST,
    IncompatibleError,
    MissingError,
    Reference,
    RefusedError,
    Registry,
    State,
    Store,
)
from bobr.controller.registry.refusals import Code
from bobr.errors import MisconfiguredError, SchemaError
from bobr.ids import SchemaId
from bobr.schema.source.compile import compile_files
from bobr.schema.source.sources import text_of

HEAD = 'syntax = "proto3"; package p;'
A = f"{HEAD} message A {{ int32 x = 1; }}"
WIDER = f"{HEAD} message A {{ int32 x = 1; int32 y = 2; }}"
WIDEST = f"{HEAD} message A {{ int32 x = 1; int32 y = 2; int32 z = 3; }}"
OTHER = f"{HEAD} message A {{ string x = 1; }}"
MAIN = f'{HEAD} import "b.proto"; message A {{ B b = 1; }}'
B = f"{HEAD} message B {{ int32 x = 1; }}"
B_REFERENCE = Reference(name="b.proto", subject="b", version=1)


def test_one_schema_has_one_id_and_one_version(registry: Registry) -> None:
    first = registry.register("a", A)
    assert registry.register("a", A) == first
    assert registry.register("another", f"{A} // the same") == first
    assert registry.versions("a") == registry.versions("another") == [1]
    assert registry.schema(first).text == A
    assert [(each.subject, each.version) for each in registry.usages(first)] == [
        ("a", 1),
        ("another", 1),
    ]


def test_versions_rise_and_the_latest_is_found(registry: Registry) -> None:
    first, second = registry.register("a", A), registry.register("a", WIDER)
    assert registry.versions("a") == [1, 2]
    assert registry.version("a", LATEST).id == second != first
    assert registry.lookup("a", A).version == 1
    assert registry.register("a", A) == first
    assert registry.versions("a") == [1, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (A, A.replace("int32", "int64")),
        (A, A.replace("int32 x", "int32 y")),
        (A, A.replace("package p;", 'package p; option java_package = "p";')),
        (A, A.replace("message", "message B {} message")),
        (A, A.replace("x = 1", 'x = 1 [json_name = "z"]')),
        (A, A.replace("x = 1", "x = 1 [deprecated = true]")),
        (A, A.replace("proto3", "proto2").replace("int32", "optional int32")),
    ],
)
def test_what_means_something_else_is_another_schema(
    registry: Registry, one: str, other: str
) -> None:
    assert registry.register("one", one) != registry.register("other", other)


def test_rules_are_part_of_the_meaning_and_their_order_is_not(registry: Registry) -> None:
    text = (
        'syntax = "proto3"; import "buf/validate/validate.proto"; message A { string x = 1 [%s]; }'
    )
    low, high = "(buf.validate.field).string.min_len = 1", "(buf.validate.field).string.max_len = 9"
    both = registry.register("a", text % f"{low}, {high}")
    assert registry.register("a", text % f"{high}, {low}") == both
    assert registry.register("a", text % low) != both
    assert registry.versions("a") == [1, 2]


def test_references_lead_to_imports(registry: Registry) -> None:
    registry.register("b", B)
    schema_id = registry.register("a", MAIN, [B_REFERENCE])
    files = registry.descriptors(schema_id)
    assert [file.name for file in files.file] == ["b.proto", "schema.proto"]
    assert registry.referenced_by("b", 1) == [schema_id]
    with pytest.raises(RefusedError, match="register it first") as refused:
        registry.register("c", MAIN, [Reference(name="b.proto", subject="b", version=2)])
    assert refused.value.code is Code.INVALID_SCHEMA
    with pytest.raises(SchemaError, match=r"b\.proto: File not found"):
        registry.register("c", MAIN)


def test_files_are_registered_with_their_imports(registry: Registry) -> None:
    schema_id = registry.register_files("a", {"a.proto": MAIN, "b.proto": B}, "a.proto")
    assert registry.subjects() == ["a", "a/b.proto"]
    assert [file.name for file in registry.descriptors(schema_id).file] == ["b.proto", "a.proto"]
    wider = B.replace("int32 x = 1;", "int32 x = 1; int32 y = 2;")
    assert registry.register_files("a", {"a.proto": MAIN, "b.proto": wider}, "a.proto") != schema_id
    assert registry.versions("a") == registry.versions("a/b.proto") == [1, 2]


def test_two_schemas_may_have_different_files_of_one_name(registry: Registry) -> None:
    other = f"{HEAD} message B {{ string x = 1; }}"
    one = registry.register_files("one", {"a.proto": MAIN, "b.proto": B}, "a.proto")
    two = registry.register_files("two", {"a.proto": MAIN, "b.proto": other}, "a.proto")
    assert one != two


def test_what_is_refused_leaves_nothing_behind(registry: Registry) -> None:
    registry.register_files("a", {"a.proto": MAIN, "b.proto": B}, "a.proto")
    bad = B.replace("int32", "string")
    with pytest.raises(IncompatibleError) as refused:
        registry.register_files("a", {"a.proto": MAIN, "b.proto": bad}, "a.proto")
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == ("b.proto", 1)
    assert registry.versions("a") == registry.versions("a/b.proto") == [1]
    with pytest.raises(SchemaError):
        registry.register_files("c", {"c.proto": "message {"}, "c.proto")
    assert registry.subjects() == ["a", "a/b.proto"]


def test_only_the_message_that_counts_is_judged(registry: Registry) -> None:
    text = f"{HEAD} message A {{ int32 x = 1; }} message Apart {{ %s y = 1; }}"
    registry.register_files("a", {"a.proto": text % "int32"}, "a.proto", "p.A")
    changed = {"a.proto": text % "string"}
    assert [each.rule for each in registry.problems("a", changed["a.proto"])] == [
        "FIELD_WIRE_JSON_COMPATIBLE_TYPE"
    ]
    registry.register_files("a", changed, "a.proto", "p.A")
    assert registry.versions("a") == [1, 2]


def test_built_in_files_get_references_for_clients_without_them(registry: Registry) -> None:
    text = f'{HEAD} import "bobr/v1/options.proto"; message A {{ option (bobr.v1.event).id = "x"; string x = 1; }}'
    schema_id = registry.register("a", text)
    (reference,) = registry.schema(schema_id).references
    options = registry.version(reference.subject, reference.version)
    assert reference.name == reference.subject == "bobr/v1/options.proto"
    files = compile_files({}, "bobr/v1/options.proto")
    assert registry.lookup(reference.subject, text_of(files.file[-1])).id == options.id
    assert registry.lookup("a", text).id == schema_id


LEVELS: Mapping[str, tuple[bool, bool]] = {
    "NONE": (True, True),
    "BACKWARD": (False, True),
    "BACKWARD_TRANSITIVE": (False, False),
    "FORWARD": (True, True),
    "FORWARD_TRANSITIVE": (True, False),
    "FULL": (False, True),
    "FULL_TRANSITIVE": (False, False),
}
"""May a field be removed without being reserved; may the type of the version before the last change."""


@pytest.mark.parametrize("level", LEVELS)
def test_levels_say_who_must_understand_whom(registry: Registry, level: str) -> None:
    registry.settings.set_level("a", "NONE")
    registry.register("a", OTHER)
    registry.register("a", WIDER)
    registry.settings.set_level("a", level)
    removed = registry.problems("a", A, version=LATEST)
    retyped = registry.problems("a", WIDEST)
    assert (not removed, not retyped) == LEVELS[level]


def test_a_level_of_all_holds_where_there_is_none(registry: Registry) -> None:
    registry.register("a", A)
    registry.settings.set_level("", "NONE")
    assert registry.problems("a", OTHER) == []
    registry.settings.set_level("a", "BACKWARD")
    assert registry.problems("a", OTHER)
    assert registry.problems("a", OTHER, version=1)
    assert registry.problems("nobody", OTHER, version=LATEST) == []
    with pytest.raises(MissingError):
        registry.problems("nobody", OTHER, version=1)


def test_deletion_hides_and_never_forgets(registry: Registry) -> None:
    first, second = registry.register("a", A), registry.register("a", WIDER)
    assert registry.delete_version("a", LATEST) == 2
    assert registry.versions("a") == [1]
    assert registry.versions("a", State.DELETED) == [1, 2]
    with pytest.raises(MissingError) as deleted:
        registry.delete_version("a", 2)
    assert deleted.value.code is Code.VERSION_DELETED
    with pytest.raises(MissingError) as live:
        registry.delete_version("a", 1, permanent=True)
    assert live.value.code is Code.VERSION_NOT_DELETED
    assert registry.delete_version("a", 2, permanent=True) == 2
    assert registry.versions("a", State.DELETED) == [1]
    assert registry.descriptors(second).file
    assert registry.register("a", WIDER) == second != first
    assert registry.versions("a") == [1, 3]


def test_subjects_are_deleted_in_two_steps(registry: Registry) -> None:
    registry.register("a", A)
    with pytest.raises(MissingError) as live:
        registry.delete_subject("a", permanent=True)
    assert live.value.code is Code.SUBJECT_NOT_DELETED
    assert registry.delete_subject("a") == [1]
    with pytest.raises(MissingError) as deleted:
        registry.delete_subject("a")
    assert deleted.value.code is Code.SUBJECT_DELETED
    assert registry.delete_subject("a", permanent=True) == [1]
    with pytest.raises(MissingError) as missing:
        registry.delete_subject("a")
    assert missing.value.code is Code.SUBJECT_MISSING


def test_imports_stay_as_long_as_any_event_may_need_them(registry: Registry) -> None:
    registry.register("b", B)
    schema_id = registry.register("a", MAIN, [B_REFERENCE])
    with pytest.raises(RefusedError) as refused:
        registry.delete_subject("b")
    assert refused.value.code is Code.REFERENCED
    registry.delete_subject("a")
    registry.delete_subject("a", permanent=True)
    assert registry.delete_subject("b") == [1]
    with pytest.raises(RefusedError, match="imported by schemas"):
        registry.delete_subject("b", permanent=True)
    assert registry.descriptors(schema_id).file[0].name == "b.proto"


@pytest.mark.parametrize(
    "subject", ["", "a\nb", "x" * 256, ":.other:a", "a/versions", "a/versions/b"]
)
def test_subjects_that_can_not_be(registry: Registry, subject: str) -> None:
    with pytest.raises(RefusedError) as refused:
        registry.register(subject, A)
    assert refused.value.code is Code.INVALID_SUBJECT


def test_an_empty_schema_is_refused(registry: Registry) -> None:
    with pytest.raises(RefusedError, match="empty"):
        registry.register("a", " \n")


def test_many_at_once_get_one_version_each(registry: Registry) -> None:
    registry.settings.set_level("a", "NONE")
    texts = [A, WIDER, f"{A} // same"] * 4
    with ThreadPoolExecutor(6) as threads:
        ids = list(threads.map(lambda text: registry.register("a", text), texts))
    assert len(set(ids)) == 2
    assert registry.versions("a") == [1, 2]


def test_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    store = Store(path)
    registry = Registry(store)
    registry.register("b", B)
    schema_id = registry.register("a", MAIN, [B_REFERENCE])
    registry.settings.set_level("a", "FULL")
    store.close()
    store.close()
    store = Store(path)
    registry = Registry(store)
    assert registry.version("a", 1).id == schema_id
    assert registry.schema(schema_id).references == (B_REFERENCE,)
    assert registry.settings.level("a") == "FULL"
    assert registry.register("a", MAIN, [B_REFERENCE]) == schema_id
    store.close()


def test_a_file_that_is_no_registry_is_told(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(MisconfiguredError, match=r"registry\.sqlite"):
        Store(path)


def test_ids_that_are_not_there(registry: Registry) -> None:
    for call in (registry.schema, registry.descriptors, registry.usages):
        with pytest.raises(MissingError, match="4711"):
            call(SchemaId(4711))
