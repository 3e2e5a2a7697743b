"""May events be spread over partitions by this field? Equal values must mean the same thing. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from bobr.schema.source.places import Written

_UNFIT: Mapping[int, str] = {
    FieldDescriptorProto.TYPE_BOOL: "is a bool, which has two values",
    FieldDescriptorProto.TYPE_FLOAT: "is a floating point number",
    FieldDescriptorProto.TYPE_DOUBLE: "is a floating point number",
    FieldDescriptorProto.TYPE_MESSAGE: "is a message",
    FieldDescriptorProto.TYPE_GROUP: "is a message",
}
FITS = "a key is a singular string, bytes, integer or enum"


def key_fault(types: Mapping[str, Written], message: str, key: str) -> str | None:
    """Why not; None: it may. types: by `types_of`; message: a full name of them; key: names from the outside in."""
    within = types.get(f".{message}")
    *outer, last = key.split(".")
    for name in outer:
        field = _field(within, name)
        if field is None or field.type != FieldDescriptorProto.TYPE_MESSAGE or _is_repeated(field):
            return f"{message} has no message {name!r} on the way to {key!r}"
        within = types.get(field.type_name)
    found = _field(within, last)
    if found is None:
        return f"{message} has no field {key!r}: {_meant(within, last)}"
    if _is_repeated(found):
        return f"field {key!r} is repeated: {FITS}"
    unfit = _UNFIT.get(found.type)
    return f"field {key!r} {unfit}: {FITS}" if unfit else None


def _field(within: Written | None, name: str) -> FieldDescriptorProto | None:
    return next((field for field in _fields(within) if field.name == name), None)


def _fields(within: Written | None) -> list[FieldDescriptorProto]:
    message = within.type if within is not None else None
    return list(message.field) if isinstance(message, DescriptorProto) else []


def _is_repeated(field: FieldDescriptorProto) -> bool:
    return field.label == FieldDescriptorProto.LABEL_REPEATED


def _meant(within: Written | None, name: str) -> str:
    names = [field.name for field in _fields(within)]
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names) or 'none'}"
