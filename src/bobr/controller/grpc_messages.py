"""Messages of `bobr.v1.Configuration`, and JSON: one thing here.

A request becomes the members that HTTP would have read, an answer the message that says the same as HTTP's JSON.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.status_pb2 import Status
from pydantic import BaseModel

from bobr.controller.operations import WHOLE, Operation
from bobr.errors import Problem, ProblemsError, RejectedError
from bobr.v1 import configuration_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Configuration"]

STATUS_BYTES_MAX = 3 * 1024
"""Of a status with its details: clients take headers of 8 KiB together, and these travel in base64."""
SHOWN_BYTES_MAX = 400
"""Of a text of one problem."""


def members_of(operation: Operation[Any, Any], request: bytes) -> Mapping[str, object]:
    """What JSON would have; what is not set is not there. RejectedError: it is none, or has unknown fields."""
    message = GetMessageClass(SERVICE.methods_by_name[operation.rpc].input_type)()
    try:
        message.ParseFromString(request)
    except DecodeError as error:
        raise RejectedError(f"not a {message.DESCRIPTOR.full_name}: {error}") from error
    if unknown := next(_unknown(message, ""), None):
        name = message.DESCRIPTOR.full_name
        raise RejectedError(f"this version does not know field {unknown} of {name}: leave it out")
    members: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    if operation.body not in (None, WHOLE):
        members.setdefault(str(operation.body), {})  # as an empty body of HTTP
    return members


def _unknown(message: Message, path: str) -> Iterator[str]:
    """Fields that this version does not know, at any depth."""
    unknown = UnknownFieldSet(message)
    yield from (f"{path}{unknown[at].field_number}" for at in range(len(unknown)))
    for field, value in message.ListFields():
        for inner in _messages(field, value):
            yield from _unknown(inner, f"{path}{field.name}.")


def _messages(field: FieldDescriptor, value: Any) -> Iterator[Message]:
    if field.message_type is None:
        return
    if field.message_type.GetOptions().map_entry:
        if field.message_type.fields_by_name["value"].message_type is not None:
            yield from value.values()
    elif field.is_repeated:
        yield from value
    else:
        yield value


def to_wire(operation: Operation[Any, Any], answer: BaseModel) -> bytes:
    """The answer's message, with what its JSON has."""
    message = GetMessageClass(SERVICE.methods_by_name[operation.rpc].output_type)()
    return ParseDict(json.loads(answer.model_dump_json()), message).SerializeToString()


def status_of(code: int, text: str, error: ProblemsError) -> Status:
    """With as many problems as a header has room for."""
    status = Status(code=code, message=text)
    told = wire.Problems()
    for at, problem in enumerate(error.problems):
        more = wire.Problems(problems=[*told.problems, _fault(problem)])
        more.untold = len(error.problems) - at - 1
        detail = AnyMessage()
        detail.Pack(more)
        if at and status.ByteSize() + detail.ByteSize() > STATUS_BYTES_MAX:
            break
        told = more
    status.details.add().Pack(told)
    return status


def _fault(problem: Problem) -> wire.Fault:
    return wire.Fault(
        file=cut(problem.file, SHOWN_BYTES_MAX),
        line=problem.line,
        column=problem.column,
        path=cut(problem.path, SHOWN_BYTES_MAX),
        rule=problem.rule,
        message=cut(problem.message, SHOWN_BYTES_MAX),
    )


def cut(text: str, bytes_max: int) -> str:
    """Its first bytes, and a sign that there were more."""
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode(errors="ignore") + "…"
