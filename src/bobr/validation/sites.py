"""Where rules stand: the `buf.validate` options of messages, oneofs and fields, by their number alone.

The options are extensions that google.protobuf does not know, and need not: protovalidate reads them.
"""

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
)
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from bobr.schema.source.places import types_of

RULES = 1159
"""The number of buf.validate's extension of MessageOptions, OneofOptions and FieldOptions."""

_Part = DescriptorProto | OneofDescriptorProto | FieldDescriptorProto


def has_rules(descriptor: Descriptor) -> bool:
    """Whether rules stand on the type itself, on a oneof or on a field of it."""
    parts = (descriptor, *descriptor.oneofs, *descriptor.fields)
    return any(is_ruled(part.GetOptions()) for part in parts)


def is_ruled(options: Message) -> bool:
    """Whether they hold rules."""
    known = {field.number for field, _ in options.ListFields()}
    others = UnknownFieldSet(options)
    unknown = {others[index].field_number for index in range(len(others))}
    return RULES in known | unknown


def rule_sites(files: FileDescriptorSet, message: str) -> Iterator[tuple[int, str]]:
    """The rules of one type: number of the site, and the field's or oneof's name; empty: of the message itself."""
    declared = types_of(files)[f".{message}"].type
    for site, part in enumerate(_parts(declared)):
        if is_ruled(part.options):
            yield site, part.name if site else ""


def with_only(files: FileDescriptorSet, message: str, site: int) -> FileDescriptorSet:
    """A copy without any rules but those of one site of one type."""
    copy = FileDescriptorSet()
    copy.CopyFrom(files)
    for name, written in types_of(copy).items():
        for number, part in enumerate(_parts(written.type)):
            if (name, number) != (f".{message}", site):
                _clear(part.options)
    return copy


def without_required(files: FileDescriptorSet) -> FileDescriptorSet:
    """A copy in which required fields are optional: a message without them must not come to protobuf's encoder."""
    copy = FileDescriptorSet()
    copy.CopyFrom(files)
    for written in types_of(copy).values():
        for field in written.type.field if isinstance(written.type, DescriptorProto) else ():
            if field.label == FieldDescriptorProto.LABEL_REQUIRED:
                field.label = FieldDescriptorProto.LABEL_OPTIONAL
            if field.options.features.field_presence == FeatureSet.LEGACY_REQUIRED:
                field.options.features.field_presence = FeatureSet.EXPLICIT
    return copy


def _parts(declared: DescriptorProto | EnumDescriptorProto) -> Sequence[_Part]:
    if isinstance(declared, EnumDescriptorProto):
        return ()
    return (declared, *declared.oneof_decl, *declared.field)


def _clear(options: Message) -> None:
    options.DiscardUnknownFields()
    for field, _ in options.ListFields():
        if field.number == RULES:
            options.ClearExtension(field)  # type: ignore[arg-type]  # any descriptor will do
