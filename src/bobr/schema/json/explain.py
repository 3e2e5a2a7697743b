"""What is wrong with an event that json_format refused: where, what was expected, and what came.

Only the wording is made here, never the verdict. The event is walked with its descriptor, and json_format is asked
which single values it refuses. What can not be located is told in json_format's own words.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bobr.outcome import Reason, Rejection
from bobr.schema.faults import first_fault
from bobr.schema.json import expected
from bobr.schema.json.complete import types_for_any
from bobr.schema.json.splitting import syntax_fault
from bobr.schema.json.values import Json

MESSAGE_DEPTH_MAX = 100
"""Of json_format and of protobuf's parsers."""
QUESTIONS_MAX = 2000
"""Values about which json_format is asked for one explanation: some 0.1 s."""
TEXT_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    reason: Reason
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the path as protovalidate writes it, and how many messages are around."""

    path: str = ""
    depth: int = 0

    def member(self, name: str) -> "_Place":
        return _Place(f"{self.path}.{name}" if self.path else name, self.depth)

    def element(self, key: object) -> "_Place":
        return _Place(f"{self.path}[{json.dumps(key, ensure_ascii=False)}]", self.depth)

    def inside(self) -> "_Place":
        return _Place(self.path, self.depth + 1)


class _Doubled(dict[str, Json]):
    """An object with a key twice."""

    key = ""


class _TooManyQuestionsError(Exception):
    """The explanation would take too long."""


_EXTENSION = re.compile(r"\[[a-zA-Z0-9._]*\]")
"""How json_format writes the names of extensions."""


def explain(descriptor: Descriptor, index: int, document: bytes, refusal: Exception) -> Rejection:
    """The rejection of a document, given what json_format or protobuf raised for it."""
    fault = _fault(descriptor, document, refusal)
    return Rejection(
        index=index,
        reason=fault.reason,
        field=_clipped(fault.path),
        message=_clipped(fault.message),
    )


def lacking(index: int, message: Message) -> Rejection:
    """The rejection of an event without all the fields that its schema calls required."""
    fault = first_fault(message)
    text = fault.message if fault else "an extension lacks a required field"
    field = fault.field if fault else ""
    return Rejection(index=index, reason=Reason.INVALID, field=field, message=text)


def _fault(descriptor: Descriptor, document: bytes, refusal: Exception) -> _Fault:
    try:
        tree: Json = json.loads(document.decode(), object_pairs_hook=_object)
    except RecursionError:
        return _too_deep("")
    except ValueError as error:
        return _malformed("", _syntax_text(error))
    return _content_fault(descriptor, tree, refusal)


def _syntax_text(error: ValueError) -> str:
    match error:
        case UnicodeDecodeError():
            return f"not UTF-8: {error.reason} at byte {error.start}"
        case json.JSONDecodeError(msg="Extra data"):
            return (
                f"not JSON: a second document begins at character {error.pos}; several are an array, "
                "or lines of application/x-ndjson"
            )
        case json.JSONDecodeError():
            return f"not JSON: {syntax_fault(error)} at character {error.pos}"
    return f"not JSON that can be read: {error}"  # a number of more digits than Python takes


def _content_fault(descriptor: Descriptor, tree: Json, refusal: Exception) -> _Fault:
    try:
        found = _Walk().message(descriptor, tree, _Place())
    except (RecursionError, _TooManyQuestionsError):
        found = None
    if found is None and isinstance(refusal, DecodeError | EncodeError):
        return _too_deep(
            ""
        )  # free JSON becomes more messages inside each other than json_format counts
    return found or _doubled_fault(tree) or _malformed("", str(refusal))


def _object(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    doubled = _Doubled(members)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            doubled.key = key
        seen.add(key)
    return doubled


class _Walk:
    """One walk through one event; each step returns the first fault in its value."""

    def __init__(self) -> None:
        self._questions = 0

    def message(self, descriptor: Descriptor, value: Json, around: _Place) -> _Fault | None:
        """A message, from the object that JSON has for it."""
        place = around.inside()
        if place.depth > MESSAGE_DEPTH_MAX:
            return _too_deep(place.path)
        if value in ([], ""):  # json_format sees no members in these, and is content
            return None
        if not isinstance(value, dict):
            wanted = f"an object ({descriptor.full_name})"
            return _malformed(place.path, f"expected {wanted}, got {expected.shown(value)}")
        if isinstance(value, _Doubled):
            return _malformed(place.member(value.key).path, "given twice in one object")
        return self._members(descriptor, value, place)

    def _members(
        self, descriptor: Descriptor, value: Mapping[str, Json], place: _Place
    ) -> _Fault | None:
        fields = {key: _named(descriptor, key) for key in value}
        if descriptor.is_extendable:
            fields = {key: fields[key] for key in fields if not _EXTENSION.fullmatch(key)}
        unknown = [key for key, field in fields.items() if field is None]
        if unknown:
            return _unknown_fault(descriptor, unknown[0], place)
        given = {k: field for k, field in fields.items() if field and _is_given(field, value[k])}
        return _oneof_fault(given, place) or _first(
            self._field(field, value[key], place.member(field.name)) for key, field in given.items()
        )

    def _field(self, field: FieldDescriptor, value: Json, place: _Place) -> _Fault | None:
        if not field.is_repeated:
            return self._value(field, value, (field, value), place)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            return self._map(field, entry, value, place)
        if not isinstance(value, list):
            return _malformed(place.path, f"expected an array, got {expected.shown(value)}")
        return _first(
            self._value(field, item, (field, [item]), place.element(at))
            for at, item in enumerate(value)
        )

    def _map(
        self, field: FieldDescriptor, entry: Descriptor, value: Json, place: _Place
    ) -> _Fault | None:
        if not isinstance(value, dict):
            return _malformed(place.path, f"expected an object, got {expected.shown(value)}")
        if isinstance(value, _Doubled):
            return _malformed(place.element(value.key).path, "given twice in one object")
        key_field, value_field = entry.fields
        return _first(
            _key_fault(key_field, key, place)
            or self._value(value_field, item, (field, {key: item}), place.element(key))
            for key, item in value.items()
        )

    def _value(
        self,
        field: FieldDescriptor,
        value: Json,
        question: tuple[FieldDescriptor, Json],
        place: _Place,
    ) -> _Fault | None:
        """A value of the field; `question`: a field with a value of which this one is the only part."""
        if value is None and field.message_type is None:
            return _malformed(place.path, "expected a value, got null")
        if field.message_type is not None and not expected.is_single_value(field.message_type):
            return self.message(field.message_type, value, place)
        refusal = "" if expected.is_plainly_right(field, value) else self._refusal(*question)
        if not refusal:
            return None
        if expected.is_open(field, value):  # the fault is somewhere inside
            return _malformed(place.path, refusal)
        reason = Reason.INVALID if expected.fits(field, value) else Reason.MALFORMED
        return _Fault(reason=reason, path=place.path, message=expected.phrase(field, value))

    def _refusal(self, field: FieldDescriptor, value: Json) -> str:
        """What json_format says of the value of a field; empty: it takes it."""
        self._questions += 1
        if self._questions > QUESTIONS_MAX:
            raise _TooManyQuestionsError
        holder = field.containing_type
        assert holder is not None
        document = json.dumps({field.json_name: value})
        try:
            json_format.Parse(
                document, GetMessageClass(holder)(), descriptor_pool=types_for_any(holder)
            )
        except json_format.ParseError as error:
            return str(error)
        return ""


def _named(descriptor: Descriptor, key: str) -> FieldDescriptor | None:
    """JSON names first, as json_format does."""
    by_json_name = (field for field in descriptor.fields if field.json_name == key)
    by_name = (field for field in descriptor.fields if field.name == key)
    return next(by_json_name, None) or next(by_name, None)


def _is_given(field: FieldDescriptor, value: Json) -> bool:
    return value is not None or (field.is_repeated and expected.means_null(field))


def _unknown_fault(descriptor: Descriptor, key: str, place: _Place) -> _Fault:
    near = expected.nearest(key, _names(descriptor))
    text = f"{descriptor.full_name} has no field {expected.shown(key)}{near}"
    return _Fault(reason=Reason.UNKNOWN_FIELD, path=place.member(key).path, message=text)


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    """Each field as in the .proto, which is told where both are as near, and as in JSON."""
    names = [field.name for field in descriptor.fields]
    return tuple(dict.fromkeys([*names, *(field.json_name for field in descriptor.fields)]))


def _oneof_fault(fields: Mapping[str, FieldDescriptor], place: _Place) -> _Fault | None:
    first: dict[str, str] = {}
    for key, field in fields.items():
        if field.containing_oneof is None:
            continue
        other = first.setdefault(field.containing_oneof.full_name, key)
        if other != key:
            text = f'only one of "{other}" and "{key}" can be given'
            return _malformed(place.member(field.name).path, text)
    return None


def _key_fault(field: FieldDescriptor, key: str, place: _Place) -> _Fault | None:
    if expected.is_right_key(field, key):
        return None
    return _malformed(place.path, f"{expected.phrase(field, key)} as a key")


def _doubled_fault(tree: Json) -> _Fault | None:
    """A key twice, somewhere where nobody looked."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _Doubled):
            return _malformed("", f"{expected.shown(value.key)} is given twice in one object")
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return None


def _first(faults: Iterable[_Fault | None]) -> _Fault | None:
    return next((fault for fault in faults if fault is not None), None)


def _malformed(path: str, message: str) -> _Fault:
    return _Fault(reason=Reason.MALFORMED, path=path, message=message)


def _too_deep(path: str) -> _Fault:
    return _malformed(path, f"nested deeper than {MESSAGE_DEPTH_MAX} messages")


def _clipped(text: str) -> str:
    """Short enough to send, and with lone surrogates, which JSON can have, as escapes."""
    text = text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]}…"
    return text.encode(errors="backslashreplace").decode()
