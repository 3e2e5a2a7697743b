"""JSON that stays JSON: google.protobuf.Value, Struct and ListValue, as arguments of their message classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What a JSON parser returns."""


class UnsureError(ValueError):
    """Not surely right: json_format must judge the event."""


def described_by(message_class: type[Message]) -> Descriptor:
    """What describes the messages of a class; both of protobuf's engines give the same."""
    return cast(Descriptor, message_class.DESCRIPTOR)


@dataclass(frozen=True, slots=True)
class ValueReaders:
    """Reads free JSON. Structs come as messages: a dict for one means other things in a map than elsewhere."""

    struct_class: Callable[..., Message]
    """google.protobuf.Struct, as the event's own descriptor pool makes it."""

    def value(self, value: Json) -> dict[str, object]:
        """A `google.protobuf.Value`; of any JSON value."""
        if type(value) is dict:
            return {"struct_value": self.struct(value)}
        if type(value) is list:
            return {"list_value": self.list_value(value)}
        return {_SCALARS[type(value)]: 0 if value is None else value}

    def struct(self, value: Json) -> Message:
        """A `google.protobuf.Struct`; of an object."""
        if type(value) is not dict:
            raise UnsureError
        return self.struct_class(fields={key: self.value(item) for key, item in value.items()})

    def list_value(self, value: Json) -> dict[str, object]:
        """A `google.protobuf.ListValue`; of an array."""
        if type(value) is not list:
            raise UnsureError
        return {"values": [self.value(item) for item in value]}


_SCALARS: Mapping[type, str] = {
    type(None): "null_value",
    bool: "bool_value",
    int: "number_value",
    float: "number_value",
    str: "string_value",
}
