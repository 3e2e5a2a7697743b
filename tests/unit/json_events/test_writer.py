"""Events as JSON for people."""

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from bobr.errors import RejectedError
from bobr.schema.json import JsonReader, JsonWriter


def test_what_was_read_is_written_in_proto_names(reader: JsonReader, new: type[Message]) -> None:
    text = b'{"firstItem":{"unitPrice":1.5},"big":"7","platform":"WEB","at":"2026-11-24T08:14:32Z"}'
    payloads, _, _ = reader.read([text])
    assert JsonWriter(new).write(payloads[0].as_py()) == {
        "first_item": {"unit_price": 1.5},
        "big": "7",
        "platform": "WEB",
        "at": "2026-11-24T08:14:32Z",
    }


def test_types_inside_any_are_found(new: type[Message], reader: JsonReader) -> None:
    payloads, _, _ = reader.read([b'{"any":{"@type":"x/t.Item","sku":"a"}}'])
    assert JsonWriter(new).write(payloads[0].as_py()) == {"any": {"@type": "x/t.Item", "sku": "a"}}


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        bytes.fromhex("a2 01 0b 08 ff ff ff ff ff ff ff ff 7f 10 00"),
        bytes.fromhex("d2 01 05 0a 03") + b"x/y",
    ],
    ids=["not protobuf", "a time after 9999", "an unknown type in an Any"],
)
def test_what_json_can_not_say(new: type[Message], payload: bytes) -> None:
    with pytest.raises(RejectedError, match=r"an event of t\.Event can not be shown as JSON: ."):
        JsonWriter(new).write(payload)


def test_written_json_is_read_again(new: type[Message], reader: JsonReader) -> None:
    message = json_format.ParseDict({"total": "NaN", "raw": "YQ==", "byNumber": {"1": "a"}}, new())
    written = JsonWriter(new).write(message.SerializeToString())
    assert written == {"total": "NaN", "raw": "YQ==", "by_number": {"1": "a"}}
