"""Random bytes for a message type: what legal encoders may write, and what attackers do.

Nothing is encoded from a value: records are written one after another, so fields come in any order, repeat, split and
merge; varints are longer than need be; unknown fields and groups lie between; map entries lack parts.
"""

import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

F = FieldDescriptor
INTEGERS = (
    0,
    1,
    2,
    3,
    7,
    100,
    127,
    128,
    300,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
SECONDS = (
    0,
    1,
    1_700_000_000,
    -62_135_596_800,
    -62_135_596_801,
    253_402_300_799,
    253_402_300_800,
    315_576_000_001,
)
NANOS = (0, 1, 999, 1_000, 999_999_999, 1_000_000_000, -1, -1_000)
DOUBLES = (0.0, -0.0, 1.5, -1e300, 0.1, float("inf"), float("-inf"), float("nan"), 1e16, 5e-324)
TEXTS = ("", "a", "ключ", "a" * 130, "\0", "🦫", '"\\')
BAD_TEXTS = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"a\xf8")

_VARINT, _FIXED64, _BYTES, _START, _END, _FIXED32 = range(6)
_FIXED: Mapping[int, tuple[int, str]] = {
    F.TYPE_FIXED32: (_FIXED32, "<I"),
    F.TYPE_SFIXED32: (_FIXED32, "<i"),
    F.TYPE_FLOAT: (_FIXED32, "<f"),
    F.TYPE_FIXED64: (_FIXED64, "<Q"),
    F.TYPE_SFIXED64: (_FIXED64, "<q"),
    F.TYPE_DOUBLE: (_FIXED64, "<d"),
}


def payload(rng: Random, of: Descriptor) -> bytes:
    """Bytes that are mostly an event of this type."""
    data = _message(rng, of, 0)
    return _attacked(rng, data) if rng.random() < 0.2 else data


def _message(rng: Random, of: Descriptor, depth: int) -> bytes:
    most = 8 if depth == 0 else 3
    count = 0 if depth > 6 else rng.randint(0, most)
    return b"".join(_record(rng, of, depth) for _ in range(count))


def _record(rng: Random, of: Descriptor, depth: int) -> bytes:
    if not of.fields or rng.random() < 0.08:
        return _unknown(rng, rng.choice((1, 9, 30_000, 536_870_911)), 0)
    field = rng.choice(of.fields)
    if rng.random() < 0.03:
        return _unknown(rng, field.number, 0)
    return _of_field(rng, field, depth)


def _of_field(rng: Random, field: FieldDescriptor, depth: int) -> bytes:
    if field.message_type is None:
        return _of_scalar(rng, field)
    body = _body(rng, field.message_type, depth + 1)
    if field.type == F.TYPE_GROUP:
        return _tag(rng, field.number, _START) + body + _tag(rng, field.number, _END)
    return _delimited(rng, field.number, body)


def _body(rng: Random, of: Descriptor, depth: int) -> bytes:
    if of.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        return _time(rng, backwards=of.name == "Duration" and rng.random() < 0.3)
    if of.GetOptions().map_entry:
        return _entry(rng, of, depth)
    return _message(rng, of, depth)


def _time(rng: Random, *, backwards: bool) -> bytes:
    """Mostly sound, or few events would be."""
    sound = rng.random() < 0.9
    seconds = rng.choice(SECONDS[:3] if sound else SECONDS)
    nanos = rng.choice(NANOS[:5] if sound else NANOS)
    sign = -1 if backwards else 1
    parts = [
        _tag(rng, 1, _VARINT) + _varint(rng, sign * seconds),
        _tag(rng, 2, _VARINT) + _varint(rng, sign * nanos),
    ]
    rng.shuffle(parts)
    return b"".join(part for part in parts if rng.random() < 0.9)


def _entry(rng: Random, of: Descriptor, depth: int) -> bytes:
    """Key and value; one may lack, come twice or late. Few different keys, so that some repeat."""
    parts = [
        _of_field(rng, field, depth)
        for field in of.fields
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2)))
    ]
    rng.shuffle(parts)
    return b"".join(parts) + (_unknown(rng, 3, 0) if rng.random() < 0.05 else b"")


def _of_scalar(rng: Random, field: FieldDescriptor) -> bytes:
    wire, write = _writer(rng, field)
    if field.is_repeated and wire != _BYTES and rng.random() < 0.5:
        return _delimited(rng, field.number, b"".join(write() for _ in range(rng.randint(0, 3))))
    return _tag(rng, field.number, wire) + write()


def _writer(rng: Random, field: FieldDescriptor) -> tuple[int, Callable[[], bytes]]:
    if field.type in _FIXED:
        wire, layout = _FIXED[field.type]
        return wire, lambda: _fixed(rng, layout)
    if field.type in (F.TYPE_STRING, F.TYPE_BYTES):
        return _BYTES, lambda: _sized(rng, _text(rng))
    if field.enum_type is not None:
        known = [value.number for value in field.enum_type.values]
        return _VARINT, lambda: _varint(rng, rng.choice((*known, *known, 5, 1 << 33)))
    return _VARINT, lambda: _varint(rng, rng.choice(INTEGERS))


def _fixed(rng: Random, layout: str) -> bytes:
    if layout in ("<f", "<d"):
        value = rng.choice(DOUBLES)
        return struct.pack(
            layout, value if layout == "<d" else struct.unpack("<f", _single(value))[0]
        )
    size = struct.calcsize(layout)
    return (rng.choice(INTEGERS) % (1 << 8 * size)).to_bytes(size, "little")


def _single(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", 3.4e38)


def _text(rng: Random) -> bytes:
    return rng.choice(BAD_TEXTS) if rng.random() < 0.02 else rng.choice(TEXTS).encode()


def _unknown(rng: Random, number: int, depth: int) -> bytes:
    """A field of any wire type, whether the type has one of that number or not."""
    wire = rng.choice((_VARINT, _FIXED64, _BYTES, _START, _FIXED32))
    return _tag(rng, number, wire) + _unknown_body(rng, number, wire, depth)


def _unknown_body(rng: Random, number: int, wire: int, depth: int) -> bytes:
    match wire:
        case 0:
            return _varint(rng, rng.choice(INTEGERS))
        case 1:
            return b"\x01" * 8
        case 2:
            return _sized(rng, _text(rng))
        case 3:
            inner = _unknown(rng, 7, depth + 1) if depth < 3 else b""
            return inner + _tag(rng, number, _END)
        case _:
            return b"\x02" * 4


def _delimited(rng: Random, number: int, body: bytes) -> bytes:
    return _tag(rng, number, _BYTES) + _sized(rng, body)


def _sized(rng: Random, body: bytes) -> bytes:
    return _varint(rng, len(body), longest=5) + body


def _tag(rng: Random, number: int, wire: int) -> bytes:
    return _varint(rng, number << 3 | wire, longest=5)


def _varint(rng: Random, value: int, longest: int = 10) -> bytes:
    """Now and then longer than need be; seldom longer than allowed."""
    value &= (1 << 64) - 1
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    if rng.random() < 0.05:
        most = longest if rng.random() < 0.9 else 11
        groups += [0] * rng.randint(0, max(0, most - len(groups)))
    return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])


def _attacked(rng: Random, data: bytes) -> bytes:
    attack = cast("Callable[[Random, bytes], bytes]", rng.choice((_cut, _flip, _insert, _deepen)))
    return attack(rng, data)


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _flip(rng: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert(rng: Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return (
        data[:at] + bytes(rng.choice((0, 1, 4, 8, 10, 127, 128, 255)) for _ in range(3)) + data[at:]
    )


def _deepen(rng: Random, data: bytes) -> bytes:
    """Wrapped in itself about as often as parsers allow (100)."""
    number = rng.choice((1, 2, 3, 4, 5))
    for _ in range(rng.choice((3, 98, 99, 100, 101, 102))):
        data = _delimited(rng, number, data)
    return data
