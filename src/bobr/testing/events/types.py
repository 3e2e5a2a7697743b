"""Random message types: every syntax, kind of field and well-known type, recursion included."""

from dataclasses import dataclass, field
from random import Random

from google.protobuf import (
    any_pb2,
    duration_pb2,
    empty_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    Edition,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

F = FieldDescriptorProto

SCALARS = tuple(t for t in F.Type.values() if t not in (F.TYPE_GROUP, F.TYPE_MESSAGE, F.TYPE_ENUM))
KEYS = tuple(t for t in SCALARS if t not in (F.TYPE_DOUBLE, F.TYPE_FLOAT, F.TYPE_BYTES))
KNOWN_FILES = (any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
KNOWN = tuple(
    f".google.protobuf.{name}"
    for name in (
        *("Timestamp", "Timestamp", "Timestamp", "Duration", "Duration", "Any", "Struct"),
        *("Value", "ListValue", "Empty", "DoubleValue", "FloatValue", "Int64Value", "UInt64Value"),
        *("Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue"),
    )
)
NUMBERS = (*range(1, 16), 16, 100, 2047, 2048, 18999, 20000)
FAR_NUMBERS = (65_536, 536_870_911)
"""Above what ptars is given."""


def event_type(rng: Random) -> tuple[FileDescriptorSet, str]:
    """Files with all they need, and the full name of a message in them."""
    syntaxes = [rng.choice(("proto2", "proto3", "editions")) for _ in range(rng.choice((1, 1, 2)))]
    parts = [_Part(rng, f"part{i}", syntax) for i, syntax in enumerate(syntaxes)]
    for index, part in enumerate(parts):
        part.write(parts[index:])
    files = FileDescriptorSet()
    for known in KNOWN_FILES:
        known.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.extend(part.file for part in parts)
    return files, "part0.M0"


@dataclass
class _Part:
    """One file: up to four messages and two enums, which refer to each other and to those of later files."""

    rng: Random
    name: str
    syntax: str
    file: FileDescriptorProto = field(init=False)
    messages: list[str] = field(init=False)
    open_enums: list[str] = field(init=False, default_factory=list)
    closed_enums: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.file = FileDescriptorProto(
            name=f"{self.name}.proto", package=self.name, syntax=self.syntax
        )
        if self.syntax == "editions":
            self.file.edition = Edition.EDITION_2023
        self.messages = [f".{self.name}.M{i}" for i in range(self.rng.randint(1, 4))]
        for index in range(self.rng.randint(0, 2)):
            self._add_enum(f"E{index}")

    def _add_enum(self, name: str) -> None:
        enum = self.file.enum_type.add(name=name)
        closed = self.syntax == "proto2"
        if self.syntax == "editions" and self.rng.random() < 0.5:
            enum.options.features.enum_type = FeatureSet.CLOSED
            closed = True
        _add_values(enum, self.rng)
        (self.closed_enums if closed else self.open_enums).append(f".{self.name}.{name}")

    def write(self, reachable: list["_Part"]) -> None:
        """Fill the messages. `reachable`: this part and those it may import."""
        self.file.dependency.extend(known.DESCRIPTOR.name for known in KNOWN_FILES)
        self.file.dependency.extend(part.file.name for part in reachable[1:])
        for name in self.messages:
            message = self.file.message_type.add(name=name.rpartition(".")[2])
            _Fields(self, reachable, message).write()


def _add_values(enum: EnumDescriptorProto, rng: Random) -> None:
    numbers = [0, *rng.sample((1, 2, 3, 7, 100, -1, -(2**31), 2**31 - 1), rng.randint(0, 4))]
    if rng.random() < 0.3:
        enum.options.allow_alias = True
        numbers.append(rng.choice(numbers))
    for index, number in enumerate(numbers):
        enum.value.add(name=f"{enum.name}_V{index}", number=number)
    if len(set(numbers)) == len(numbers):
        enum.ClearField("options") if not enum.options.HasField(
            "features"
        ) else enum.options.ClearField("allow_alias")


@dataclass
class _Fields:
    """The fields of one message."""

    part: _Part
    reachable: list[_Part]
    message: DescriptorProto

    def write(self) -> None:
        rng = self.part.rng
        numbers = rng.sample(NUMBERS, rng.randint(0, 7))
        if rng.random() < 0.03:
            numbers.append(rng.choice(FAR_NUMBERS))
        for index, number in enumerate(numbers):
            self._add(f"f{index}", number, rng)
        _close_oneofs(self.message)

    def _add(self, name: str, number: int, rng: Random) -> None:
        kind = rng.random()
        if kind < 0.15:
            self._add_map(name, number, rng)
            return
        made = self.message.field.add(name=name, number=number, label=F.LABEL_OPTIONAL)
        self._set_type(made, rng, in_repeated=kind < 0.4)
        if kind < 0.4:
            made.label = F.LABEL_REPEATED
            self._set_packing(made, rng)
        elif kind < 0.6:
            self._put_in_oneof(made, rng)
        else:
            self._set_presence(made, rng)

    def _set_type(self, made: F, rng: Random, *, in_repeated: bool) -> None:
        kind = rng.random()
        if kind < 0.25:
            made.type, made.type_name = F.TYPE_MESSAGE, rng.choice(self._messages())
            self._set_framing(made, rng)
        elif kind < 0.45:
            made.type, made.type_name = F.TYPE_MESSAGE, rng.choice(KNOWN)
        elif kind < 0.6 and self._enums():
            made.type, made.type_name = F.TYPE_ENUM, rng.choice(self._enums())
        else:
            made.type = rng.choice(SCALARS)
            if made.type == F.TYPE_STRING and self.part.syntax == "editions" and rng.random() < 0.5:
                made.options.features.utf8_validation = FeatureSet.NONE

    def _messages(self) -> list[str]:
        return [name for part in self.reachable for name in part.messages]

    def _enums(self) -> list[str]:
        """proto3 takes closed enums from nobody."""
        closed = [name for part in self.reachable for name in part.closed_enums]
        opened = [name for part in self.reachable for name in part.open_enums]
        return opened if self.part.syntax == "proto3" else opened + closed

    def _set_framing(self, made: F, rng: Random) -> None:
        if rng.random() > 0.1:
            return
        if self.part.syntax == "proto2":
            made.type = F.TYPE_GROUP
        elif self.part.syntax == "editions":
            made.options.features.message_encoding = FeatureSet.DELIMITED

    def _set_packing(self, made: F, rng: Random) -> None:
        if made.type in (F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE, F.TYPE_GROUP):
            return
        if self.part.syntax != "editions":
            made.options.packed = rng.random() < 0.5
        elif rng.random() < 0.5:
            made.options.features.repeated_field_encoding = FeatureSet.EXPANDED

    def _set_presence(self, made: F, rng: Random) -> None:
        chance = rng.random()
        message = made.type in (F.TYPE_MESSAGE, F.TYPE_GROUP)
        if self.part.syntax == "proto2" and chance < 0.1:
            made.label = F.LABEL_REQUIRED
        elif self.part.syntax == "proto3" and chance < 0.4:
            made.proto3_optional = True
        elif self.part.syntax == "editions" and chance < 0.1:
            made.options.features.field_presence = FeatureSet.LEGACY_REQUIRED
        elif (
            self.part.syntax == "editions"
            and chance < 0.5
            and not message
            and not self._is_closed(made)
        ):
            made.options.features.field_presence = FeatureSet.IMPLICIT

    def _is_closed(self, made: F) -> bool:
        return any(made.type_name in part.closed_enums for part in self.reachable)

    def _put_in_oneof(self, made: F, rng: Random) -> None:
        if not self.message.oneof_decl or rng.random() < 0.2:
            self.message.oneof_decl.add(name=f"o{len(self.message.oneof_decl)}")
        made.oneof_index = rng.randrange(len(self.message.oneof_decl))

    def _add_map(self, name: str, number: int, rng: Random) -> None:
        entry = self.message.nested_type.add(name=f"{name.upper()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=F.LABEL_OPTIONAL, type=rng.choice(KEYS))
        value = entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)
        self._set_type(value, rng, in_repeated=True)
        if value.type == F.TYPE_GROUP:
            value.type = F.TYPE_MESSAGE
        value.ClearField("options")
        made = self.message.field.add(name=name, number=number, label=F.LABEL_REPEATED)
        made.type = F.TYPE_MESSAGE
        made.type_name = f".{self.part.name}.{self.message.name}.{entry.name}"


def _close_oneofs(message: DescriptorProto) -> None:
    """Drop oneofs that got no member; write the synthetic ones of proto3 `optional`, which come last."""
    used = sorted({each.oneof_index for each in message.field if each.HasField("oneof_index")})
    for each in message.field:
        if each.HasField("oneof_index"):
            each.oneof_index = used.index(each.oneof_index)
    del message.oneof_decl[len(used) :]
    for each in message.field:
        if each.proto3_optional:
            each.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{each.name}")
