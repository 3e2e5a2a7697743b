"""The rules of one message type, ready to judge payloads."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import EvaluationError, FieldPathElementPb, FieldPathPb, Validator, Violation

from bobr.outcome import Reason, Rejection
from bobr.schema.json.complete import can_be_incomplete
from bobr.schema.json.explain import lacking
from bobr.schema.mapping import closure
from bobr.schema.pool import descriptor_of
from bobr.validation.sites import has_rules
from bobr.validation.soundness import refuse_unsound

VIOLATIONS_TOLD_MAX = 4
"""Of one event, in its message; the others are counted."""
TEXT_CHARACTERS_MAX = 300
"""Of what one violation says: rules can put parts of the event into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The `buf.validate` rules of a message type and of all types in it. Thread-safe; holds the GIL.

    has_rules: without, `check` costs nothing.
    """

    has_rules: bool
    _can_be_incomplete: bool
    _message: type[Message]
    _validator: Validator

    @classmethod
    def build(cls, files: FileDescriptorSet, message: str) -> "Rules":
        """Of the message type of that full name. `files`: with all that they import.

        Raises SchemaError: rules that can not work (CEL that does not compile, a rule for another type than the
        field's), each with its place; RejectedError: there is no such message in the files.
        """
        descriptor, _ = descriptor_of(files, message)
        is_ruled = any(map(has_rules, closure(descriptor)))
        if is_ruled:
            refuse_unsound(files, message)
        return cls(
            has_rules=is_ruled,
            _can_be_incomplete=can_be_incomplete(descriptor),
            _message=GetMessageClass(descriptor),
            _validator=Validator(),
        )

    def check(self, payloads: pa.BinaryArray) -> tuple[Rejection, ...]:
        """The events (no nulls) that break rules, each once: field and rule of its first violation, text of more.

        INVALID also when a rule fails while it is evaluated, as by a division by zero.
        """
        return tuple(fate for fate in self.fates(payloads) if fate is not None)

    def fates(self, payloads: pa.BinaryArray) -> Iterator[Rejection | None]:
        """The same one by one, None for an event that breaks no rule: a rule may take long, and others wait."""
        if self.has_rules:
            for index, payload in enumerate(payloads.to_pylist()):
                yield self._fate(index, payload)

    def _fate(self, index: int, payload: bytes) -> Rejection | None:
        try:
            message = self._message.FromString(payload)
            if self._can_be_incomplete and not message.IsInitialized():
                return lacking(index, message)  # protovalidate may encode it, which may crash
            violations = self._validator.collect_violations(message)
        except EvaluationError as error:
            return Rejection(index=index, reason=Reason.INVALID, message=_clipped(str(error)))
        except DecodeError as error:
            return Rejection(index=index, reason=Reason.MALFORMED, message=_clipped(str(error)))
        return _rejection(index, violations) if violations else None


def _rejection(index: int, violations: Sequence[Violation]) -> Rejection:
    first = violations[0].proto
    told = [_text(violations[0]), *map(_text_with_place, violations[1:VIOLATIONS_TOLD_MAX])]
    if len(violations) > VIOLATIONS_TOLD_MAX:
        told.append(f"and {len(violations) - VIOLATIONS_TOLD_MAX} more")
    return Rejection(
        index=index,
        reason=Reason.INVALID,
        message="; ".join(told),
        field=_path(first.field),
        rule=first.rule_id,
    )


def _text_with_place(violation: Violation) -> str:
    path = _path(violation.proto.field)
    return f"{path}: {_text(violation)}" if path else _text(violation)


def _text(violation: Violation) -> str:
    text = violation.proto.message or f"breaks the rule {violation.proto.rule_id}"
    return _clipped(f"the key {text}" if violation.proto.for_key else text)


def _path(path: FieldPathPb | None) -> str:
    """In protovalidate's notation: `items[2].price`, `by_name["bb"].sku`."""
    return "" if path is None else ".".join(map(_step, path.elements))


def _step(element: FieldPathElementPb) -> str:
    if element.subscript is None:
        return element.field_name
    return f"{element.field_name}[{json.dumps(element.subscript.value, ensure_ascii=False)}]"


def _clipped(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]}…"
