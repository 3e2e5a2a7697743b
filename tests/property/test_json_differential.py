"""JSON of random types, right and wrong in every way: json_format and the reader agree on every document.

`BOBR_JSON_EXAMPLES` sets how many types are tried (200 if not set); each gets a dozen documents.
"""

import json
import os
import re
from collections.abc import Callable
from random import Random

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from bobr.outcome import Reason, Rejection
from bobr.schema.json import JsonReader
from bobr.schema.json.complete import types_for_any
from bobr.schema.json.sure import UNSURE
from bobr.schema.json.values import described_by
from bobr.schema.pool import descriptor_of
from bobr.testing.events import event_type

EXAMPLES = int(os.environ.get("BOBR_JSON_EXAMPLES", "200"))
DOCUMENTS = 12
ODDNESS = (0.0, 0.0, 0.02, 0.3)
"""The part of values that are of another kind than the field."""
JSON_NAMES = ("fieldName", "o0", "@odd", "[in.brackets]", "é", "_f0")
"""Beside ordinary ones: those of oneofs and of extensions."""

Choices = tuple[str, ...]


# JSON is made as text: only text can have a key twice, or a number in many forms.

INTEGERS: Choices = (
    *("0", "1", "-1", "5", "-0", "-0.0", "1.0", "1e2", "3e9", "1.5", "true", "9007199254740993.0"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("18446744073709551615", "18446744073709551616", "1" + "0" * 400, '"9223372036854775807"'),
    *('"7"', '"-7"', '"1.0"', '"1e1"', '" 1"', '"1_0"', '"+3"', '"0x1"', '"\\t4"', '""', '"٣"'),
)
FLOATS: Choices = (
    *("0", "-0", "-0.0", "1", "1.5", "0.1", "1E+5", "16777217", "0.30000000000000004441", "true"),
    *("1e400", "-1e400", "1e39", "1e-400", "5e-324", "3.4028234663852886e38", "3.4028235e38"),
    *("3.4028235677973366e38", "1" + "0" * 60, "1" + "0" * 400, "9007199254740993", "NaN"),
    *("Infinity", '"NaN"', '"Infinity"', '"-Infinity"', '"nan"', '"inf"', '"1.5"', '"1e400"'),
    *('"1_0"', '" 1"', '""'),
)
TEXTS: Choices = (
    *('""', '"x"', '"é"', '"\\u0000"', '"\\/"', '"\\ud83d\\ude00"', '"😀"', '"\\u00e9"'),
    *('"\\ud800"', '"\\udc00x"', '"\\ude00\\ud83d"', '"a\tb"', '"\\x"', '"' + "x" * 200 + '"'),
)
BYTES: Choices = (
    *('""', '"YQ=="', '"YQ"', '"YR"', '"-_-_"', '"+/+/"', '"+/-_"', '"Y"', '"Y Q"', '"YQ==="'),
    *('"é"', '"===="', '"YQ==YQ=="', '"\\n"'),
)
BOOLS: Choices = ("true", "false", '"true"', "1", "0")
NUMBERED: Choices = ("0", "1", "2", "99", "-1", '"1"', '"99"', "1.0", "1.7", "true", "4294967296")
CLOCKS: Choices = (
    *("2020-01-01T00:00:00", "1969-12-31T23:59:59", "2020-02-29T12:34:56", "2020-02-30T00:00:00"),
    *("0001-01-01T00:00:00", "9999-12-31T23:59:59", "0000-01-01T00:00:00", "2020-01-01T24:00:00"),
    *("2020-01-01T23:59:60", "2020-01-01t00:00:00", "2020-01-01 00:00:00", "2020-1-1T0:0:0"),
    *("2020-W01-1T00:00:00", "20200101T000000", "٢٠٢٠-01-01T00:00:00", "2020-01-01", ""),
)
FRACTIONS: Choices = (
    "",
    "",
    ".5",
    ".123456789",
    ".999999999",
    ".1234567891",
    ".",
    ",5",
    ".1_0",
    ".٣",
)
OFFSETS: Choices = (
    *("Z", "Z", "Z", "z", "", "+01:30", "-23:59", "+00:01", "-00:01", "+24:00", "+1:0", "+00:60"),
    *("+0100", "Zx", " Z", "-00:00"),
)
SIGNS: Choices = ("", "", "-", "+", "--", " ")
SECONDS: Choices = ("0", "1", "001", "315576000000", "315576000001", "", "1_0", "٣", "1e2")
UNITS: Choices = ("s", "s", "s", "S", "", "ss")
KEYS: Choices = (
    '"a"',
    '"1"',
    '"01"',
    '"-1"',
    '"true"',
    '"false"',
    '"1.0"',
    '" 1"',
    '""',
    '"\\ud800"',
)
ANYS: Choices = (
    *("{}", '{"@type":"x/google.protobuf.Duration","value":"1s"}', '{"@type":"x/y"}', '{"a":1}'),
    *(
        '{"@type":5}',
        '{"@type":"x/google.protobuf.Int32Value","value":5}',
        '{"@type":"x/part0.M0"}',
    ),
)
SCRAPS: Choices = (
    *(
        "null",
        "[]",
        "{}",
        "[[]]",
        "[null]",
        '{"a":null}',
        "",
        "nonsense",
        "[",
        "}",
        '"',
        "01",
        "1.",
    ),
    *("9" * 5000, "+1", "[" * 120 + "]" * 120, '{"a":' * 40 + "1" + "}" * 40),
)
MEMBERS: Choices = ('"unknown":1', '"zz":null', '"[x.y]":1', '"":0', "", "x", '"f0":1', '"f0":null')
SPACES: Choices = ("", "", "", " ", "\n\t ")


class Writer:
    """Writes a random JSON text for a message type; `oddness`: the part of it that is of a wrong kind."""

    def __init__(self, rng: Random, oddness: float) -> None:
        self.rng = rng
        self.oddness = oddness

    def message(self, of: Descriptor, depth: int) -> str:
        count = self.rng.randint(0, 5 if depth > 0 else 1)
        fields = [self.rng.choice(of.fields) for _ in range(count)] if of.fields else []
        if self.rng.random() < 0.8:
            fields = list(dict.fromkeys(fields))
        members = [self._member(field, depth) for field in fields]
        if self.rng.random() < self.oddness:
            members.append(self.rng.choice(MEMBERS))
        space = self.rng.choice(SPACES)
        return "{" + f"{space},{space}".join(members) + space + "}"

    def _member(self, field: FieldDescriptor, depth: int) -> str:
        key = json.dumps(self.rng.choice((field.json_name, field.json_name, field.name)))
        return f"{key}:{self._field(field, depth)}"

    def _field(self, field: FieldDescriptor, depth: int) -> str:
        if self.rng.random() < 0.05:
            return "null"
        if not field.is_repeated:
            return self._value(field, depth)
        count = range(self.rng.randint(0, 3 if depth > 0 else 0))
        entry = field.message_type
        if entry is None or not entry.GetOptions().map_entry:
            return f"[{','.join(self._value(field, depth) for _ in count)}]"
        value = entry.fields_by_name["value"]
        items = (f"{self.rng.choice(KEYS)}:{self._value(value, depth)}" for _ in count)
        return "{" + ",".join(items) + "}"

    def _value(self, field: FieldDescriptor, depth: int) -> str:
        if self.rng.random() < self.oddness:
            return self._odd()
        if field.message_type is not None:
            return self._known(field.message_type, depth)
        if field.enum_type is not None:
            names = (json.dumps(value.name) for value in field.enum_type.values)
            return self.rng.choice((*names, *NUMBERED))
        return self._scalar(field)

    def _known(self, of: Descriptor, depth: int) -> str:
        if of.file.name == "google/protobuf/wrappers.proto":
            return self._scalar(of.fields_by_name["value"])
        if of.full_name == "google.protobuf.Any":
            return self.rng.choice(ANYS)
        if of.file.name == "google/protobuf/struct.proto":
            return self._free(3, of.name)
        if of.full_name == "google.protobuf.Timestamp":
            return f'"{"".join(map(self.rng.choice, (CLOCKS, FRACTIONS, OFFSETS)))}"'
        if of.full_name == "google.protobuf.Duration":
            return f'"{"".join(map(self.rng.choice, (SIGNS, SECONDS, FRACTIONS, UNITS)))}"'
        return self.message(of, depth - 1)

    def _free(self, depth: int, name: str = "Value") -> str:
        kind = {"Struct": 0, "ListValue": 1}.get(name, self.rng.randrange(6) if depth else 5)
        count = range(self.rng.randrange(3))
        if kind == 0:
            return (
                "{"
                + ",".join(f"{self.rng.choice(KEYS)}:{self._free(depth - 1)}" for _ in count)
                + "}"
            )
        if kind == 1:
            return f"[{','.join(self._free(depth - 1) for _ in count)}]"
        return self.rng.choice(("null", *BOOLS, *FLOATS, *TEXTS))

    def _scalar(self, field: FieldDescriptor) -> str:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self.rng.choice(BYTES)
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                return self.rng.choice(TEXTS)
            case FieldDescriptor.CPPTYPE_BOOL:
                return self.rng.choice(BOOLS)
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self.rng.choice((*FLOATS, repr(self.rng.uniform(-1e9, 1e9))))
        return self.rng.choice((*INTEGERS, str(self.rng.randint(-300, 300))))

    def _odd(self) -> str:
        kinds = (INTEGERS, FLOATS, TEXTS, BYTES, BOOLS, NUMBERED, ANYS, SCRAPS, SCRAPS)
        return self.rng.choice(self.rng.choice(kinds))


def document(rng: Random, of: Descriptor) -> bytes:
    """JSON for the type, or nearly."""
    text = Writer(rng, rng.choice(ODDNESS)).message(of, 3).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        at = rng.randint(0, len(text))
        text = text[:at] + rng.randbytes(rng.randint(0, 2)) + text[at + rng.randint(0, 2) :]
    return text


def renamed(files: FileDescriptorSet, rng: Random) -> FileDescriptorSet:
    """With some JSON names that are not made from the field's name."""
    for file in files.file:
        for message in file.message_type if not file.package.startswith("google") else ():
            _rename(message, rng, may_clash=file.syntax == "proto2")
    return files


def _rename(message: DescriptorProto, rng: Random, *, may_clash: bool) -> None:
    """Only in proto2 may a JSON name be that of a oneof."""
    taken = set() if may_clash else {oneof.name for oneof in message.oneof_decl}
    for field in message.field:
        name = rng.choice(JSON_NAMES)
        if rng.random() < 0.3 and name not in taken:
            field.json_name = name
            taken.add(name)


def new_type(rng: Random) -> type[Message]:
    files, name = event_type(rng)
    return GetMessageClass(descriptor_of(renamed(files, rng), name)[0])


def judged(new: Callable[[], Message], text: bytes) -> Message | None:
    """What json_format makes of a document, if protobuf can write that down and read it again."""
    message = new()
    try:
        types = types_for_any(described_by(type(message)))
        json_format.Parse(text, message, descriptor_pool=types)
        if not message.IsInitialized():
            return None
        return type(message).FromString(message.SerializeToString())
    except (json_format.ParseError, UnicodeDecodeError, EncodeError, DecodeError):
        return None


def canonical(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def fate(reader: JsonReader, text: bytes) -> bytes | Rejection:
    payloads, indices, rejected = reader.read([text])
    assert len(payloads) + len(rejected) == 1
    assert indices == [0] * len(payloads)
    return rejected[0] if rejected else bytes(payloads[0].as_py())


def assert_agrees(reader: JsonReader, new: Callable[[], Message], text: bytes) -> None:
    note(repr(text))
    expected, found = judged(new, text), fate(reader, text)
    if isinstance(found, Rejection):
        assert expected is None, found
        assert found.reason in (Reason.MALFORMED, Reason.INVALID, Reason.UNKNOWN_FIELD)
        assert 0 < len(found.message.encode()) <= 1300
        assert len(found.field.encode()) <= 1300
        event(f"refused as {found.reason.name}, {'at a field' if found.field else 'somewhere'}")
    else:
        assert expected is not None
        assert canonical(type(expected).FromString(found)) == canonical(expected)
        event("accepted")


@given(st.randoms(use_true_random=False))
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
def test_reader_and_json_format_agree(rng: Random) -> None:
    new = new_type(rng)
    reader = JsonReader(new)
    for _ in range(DOCUMENTS):
        assert_agrees(reader, new, document(rng, reader._descriptor))


RARE = re.compile(r'"@type"|\{\}|"o0":|"_f0":')
"""An Any, perhaps empty, and fields named as a oneof: json_format reads those."""


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
def test_what_encoders_write_is_read_surely(rng: Random, is_snake: bool) -> None:
    new = new_type(rng)
    reader = JsonReader(new)
    for _ in range(DOCUMENTS):
        message = judged(new, document(rng, reader._descriptor))
        if message is not None and (text := written(message, is_snake)):
            assert_sure(reader, message, text)


def written(message: Message, is_snake: bool) -> str:
    """Empty where Proto JSON has no form for it (an infinite number in a Value)."""
    pool = described_by(type(message)).file.pool
    try:
        return json_format.MessageToJson(
            message, preserving_proto_field_name=is_snake, descriptor_pool=pool
        )
    except json_format.SerializeToJsonError:
        return ""


def assert_sure(reader: JsonReader, message: Message, text: str) -> None:
    note(text)
    try:
        payload = reader._read_surely(text.encode())
    except UNSURE:
        assert RARE.search(text)
        event("rare")
    else:
        assert canonical(type(message).FromString(payload)) == canonical(message)
        event("sure")
