"""Changes of random schemas: what old readers and tables can follow passes, the rest does not."""

from collections.abc import Callable

import pyarrow as pa
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bobr.errors import Problem
from bobr.schema import EventType
from bobr.schema.source.evolution import Policy, changed_columns, check

Field = FieldDescriptorProto
Change = Callable[[DescriptorProto, Field], None]
"""Changes a message, at one of its fields."""

OTHER_TYPE = {
    Field.TYPE_INT32: Field.TYPE_STRING,
    Field.TYPE_INT64: Field.TYPE_INT32,
    Field.TYPE_UINT64: Field.TYPE_SINT64,
    Field.TYPE_FLOAT: Field.TYPE_DOUBLE,
    Field.TYPE_DOUBLE: Field.TYPE_FIXED64,
    Field.TYPE_BOOL: Field.TYPE_STRING,
    Field.TYPE_STRING: Field.TYPE_BYTES,
    Field.TYPE_BYTES: Field.TYPE_STRING,
}
"""Types of fields, and for each one that can not follow it."""

SLOW = settings(deadline=None)
"""Each example starts a process."""

KINDS = st.lists(
    st.tuples(st.sampled_from(sorted(OTHER_TYPE)), st.booleans()), min_size=2, max_size=4
)
"""At least two, so that no message becomes empty: an empty one is another kind of column."""


def message_of(name: str, kinds: list[tuple[Field.Type.ValueType, bool]]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for index, (kind, is_repeated) in enumerate(kinds):
        label = Field.LABEL_REPEATED if is_repeated else Field.LABEL_OPTIONAL
        message.field.add(name=f"f{index}", number=index + 1, type=kind, label=label)
    return message


@st.composite
def schemas(draw: st.DrawFn) -> FileDescriptorSet:
    """An event that reaches `Inner` and, through a list, `Deep`, and a message it does not reach."""
    names = ("Event", "Inner", "Deep", "Apart")
    event, inner, deep, apart = (message_of(name, draw(KINDS)) for name in names)
    one = event.field.add(name="more", number=50, type=Field.TYPE_MESSAGE, type_name=".p.Inner")
    one.label = Field.LABEL_OPTIONAL
    many = inner.field.add(name="more", number=50, type=Field.TYPE_MESSAGE, type_name=".p.Deep")
    many.label = Field.LABEL_REPEATED
    file = FileDescriptorProto(name="p.proto", package="p", syntax="proto3")
    file.message_type.extend([event, inner, deep, apart])
    return FileDescriptorSet(file=[file])


def add(message: DescriptorProto, _: Field) -> None:
    message.field.add(name="added", number=99, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)


def add_first(message: DescriptorProto, _: Field) -> None:
    fields = [Field(name="added", number=99, type=Field.TYPE_INT64), *message.field]
    fields[0].label = Field.LABEL_REPEATED
    del message.field[:]
    message.field.extend(fields)


def remove_and_reserve(message: DescriptorProto, field: Field) -> None:
    message.reserved_range.add(start=field.number, end=field.number + 1)
    message.reserved_name.append(field.name)
    message.field.remove(field)


def make_optional(message: DescriptorProto, field: Field) -> None:
    if field.label == Field.LABEL_OPTIONAL:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def remove(message: DescriptorProto, field: Field) -> None:
    message.field.remove(field)


def reserve_only_the_number(message: DescriptorProto, field: Field) -> None:
    message.reserved_range.add(start=field.number, end=field.number + 1)
    message.field.remove(field)


def change_type(_: DescriptorProto, field: Field) -> None:
    field.type = OTHER_TYPE[field.type]


def change_label(_: DescriptorProto, field: Field) -> None:
    is_repeated = field.label == Field.LABEL_REPEATED
    field.label = Field.LABEL_OPTIONAL if is_repeated else Field.LABEL_REPEATED


def rename(_: DescriptorProto, field: Field) -> None:
    field.name = "renamed"


def renumber(_: DescriptorProto, field: Field) -> None:
    field.number = 77


GOOD: list[Change] = [add, add_first, remove_and_reserve, make_optional]
BAD: list[Change] = [
    remove,
    reserve_only_the_number,
    change_type,
    change_label,
    rename,
    renumber,
]


def changed(old: FileDescriptorSet, name: str, change: Change, index: int) -> FileDescriptorSet:
    """With one message changed, at the scalar field of that index."""
    new = FileDescriptorSet()
    new.CopyFrom(old)
    message = next(each for each in new.file[0].message_type if each.name == name)
    scalars = [field for field in message.field if field.name != "more"]
    change(message, scalars[index % len(scalars)])
    return new


def judged(
    old: FileDescriptorSet, new: FileDescriptorSet, policy: Policy = Policy.WIRE_JSON
) -> list[Problem]:
    columns = tuple(EventType.build(files, "p.Event").columns for files in (old, new))
    return check(old, new, "p.Event", policy=policy, columns=(columns[0], columns[1]))


@settings(SLOW, max_examples=30)
@given(
    schemas(), st.sampled_from(["Event", "Inner", "Deep"]), st.sampled_from(GOOD), st.integers(0, 3)
)
def test_good_changes_pass_at_any_depth(
    old: FileDescriptorSet, name: str, change: Change, index: int
) -> None:
    assert judged(old, changed(old, name, change, index)) == []


@settings(SLOW, max_examples=40)
@given(
    schemas(), st.sampled_from(["Event", "Inner", "Deep"]), st.sampled_from(BAD), st.integers(0, 3)
)
def test_bad_changes_are_refused_at_any_depth(
    old: FileDescriptorSet, name: str, change: Change, index: int
) -> None:
    assert judged(old, changed(old, name, change, index))


@settings(SLOW, max_examples=15)
@given(schemas(), st.sampled_from(BAD), st.integers(0, 3))
def test_changes_elsewhere_in_the_file_do_not_matter(
    old: FileDescriptorSet, change: Change, index: int
) -> None:
    assert judged(old, changed(old, "Apart", change, index)) == []


@settings(SLOW, max_examples=15)
@given(schemas(), st.sampled_from(["Event", "Inner", "Deep"]))
def test_what_the_wire_allows_a_column_may_refuse(old: FileDescriptorSet, name: str) -> None:
    message = next(each for each in old.file[0].message_type if each.name == name)
    message.field.add(name="text", number=60, type=Field.TYPE_STRING, label=1)
    new = FileDescriptorSet()
    new.CopyFrom(old)
    field = next(each for each in new.file[0].message_type if each.name == name).field[-1]
    field.type = Field.TYPE_BYTES
    assert [each.rule for each in judged(old, new, Policy.WIRE)] == ["COLUMN_TYPE"]


WIDER = {pa.int32(): pa.int64(), pa.float32(): pa.float64()}
LEAVES = st.sampled_from([*WIDER, pa.int64(), pa.string(), pa.decimal128(20, 0)])


def _nested(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    members = st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, min_size=1, max_size=3)
    structs = members.map(lambda each: pa.struct(list(each.items())))
    return structs | inner.map(pa.list_) | inner.map(lambda kind: pa.map_(pa.string(), kind))


TYPES = st.recursive(LEAVES, _nested, max_leaves=6)


def grown(
    data: st.DataObject, kind: pa.DataType, turn: Callable[[pa.DataType], pa.DataType]
) -> pa.DataType:
    """The type with members more and less at any depth, in another order; `turn` takes each leaf."""
    if pa.types.is_struct(kind):
        kept = [(each.name, grown(data, each.type, turn)) for each in kind]
        return pa.struct(data.draw(st.permutations([*kept, ("new", data.draw(LEAVES))])))
    if pa.types.is_list(kind):
        return pa.list_(grown(data, kind.value_type, turn))
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, grown(data, kind.item_type, turn))
    return turn(kind)


def leaves(kind: pa.DataType) -> int:
    if pa.types.is_struct(kind):
        return sum(leaves(each.type) for each in kind)
    if pa.types.is_list(kind):
        return leaves(kind.value_type)
    return leaves(kind.item_type) if pa.types.is_map(kind) else 1


@given(st.data(), TYPES)
def test_columns_may_grow_and_widen(data: st.DataObject, old: pa.DataType) -> None:
    new = grown(data, old, lambda leaf: WIDER.get(leaf, leaf))
    assert changed_columns(pa.schema({"c": old}), pa.schema({"c": new, "d": old})) == []
    assert changed_columns(pa.schema({"c": old, "d": old}), pa.schema({"c": new})) == []


@given(st.data(), TYPES)
def test_every_leaf_that_changes_is_named(data: st.DataObject, old: pa.DataType) -> None:
    new = grown(data, old, lambda _: pa.bool_())
    changes = changed_columns(pa.schema({"c": old}), pa.schema({"c": new}))
    assert len(changes) == leaves(old)
    assert all(each.path[0] == "c" and each.new == pa.bool_() for each in changes)
