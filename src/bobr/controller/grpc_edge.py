"""`bobr.v1.Configuration`: the operations of the controller's API over gRPC. Messages and JSON are one thing here.

A request becomes the members that HTTP would have read, an answer the message that says the same as HTTP's JSON.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.status_pb2 import Status
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from bobr.controller.http import BODY_BYTES_MAX
from bobr.controller.operations import WHOLE, Caller, Operation, Operations
from bobr.errors import (
    BobrError,
    ConflictError,
    NotFoundError,
    OverloadedError,
    Problem,
    ProblemsError,
    RejectedError,
    RetryableError,
    TooLargeError,
)
from bobr.runtime.rpc import Context
from bobr.v1 import configuration_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Configuration"]

CALLS_MAX = 64
"""At once, each with a request of at most `BODY_BYTES_MAX`."""
RECEIVE_SECONDS = 30.0
"""For a request to arrive."""
STATUS_BYTES_MAX = 3 * 1024
"""Of a status with its details: clients take headers of 8 KiB together, and these travel in base64."""
MESSAGE_BYTES_MAX = 1024
"""Of the text of a status, which is there twice, once with up to three bytes for each."""
SHOWN_BYTES_MAX = 400
"""Of a text of one problem."""

CODES = {
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ConflictError: grpc.StatusCode.ABORTED,
    TooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RejectedError: grpc.StatusCode.INVALID_ARGUMENT,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RetryableError: grpc.StatusCode.UNAVAILABLE,
}
"""What a call fails with: the first that fits."""


class GrpcEdge:
    """The handlers. Lives in the controller's event loop."""

    def __init__(self, operations: Operations) -> None:
        """operations: one for each call of the service."""
        self._operations = operations
        self._receiving = 0
        self._doing: set[asyncio.Future[bytes]] = set()

    def handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Of the service, as a server takes them."""
        return grpc.method_handlers_generic_handler(
            SERVICE.full_name,
            {
                each.rpc: grpc.stream_unary_rpc_method_handler(self._serving(each))
                for each in self._operations
            },
        )

    def _serving(
        self, operation: Operation[Any, Any]
    ) -> Callable[[object, Context], Awaitable[bytes]]:
        """A unary method, served as if the client could send several: so we decide when its one message is received."""

        async def serve(_: object, context: Context) -> bytes:
            try:
                return await self._answer(operation, context)
            except BobrError as error:
                await _abort(context, error)

        return serve

    async def _answer(self, operation: Operation[Any, Any], context: Context) -> bytes:
        """What has begun is brought to its end, though the client may have gone: half a change is no change."""
        if len(self._doing) + self._receiving >= CALLS_MAX:
            raise OverloadedError(f"{CALLS_MAX} calls are worked on: call again later")
        self._receiving += 1
        try:
            request = await _receive(context)
        finally:
            self._receiving -= 1
        doing = asyncio.ensure_future(_done(operation, request, _caller(context, operation)))
        self._doing.add(doing)
        doing.add_done_callback(self._has_done)
        return await asyncio.shield(doing)

    def _has_done(self, doing: "asyncio.Future[bytes]") -> None:
        self._doing.discard(doing)
        if not doing.cancelled():
            doing.exception()  # told to the client, if it is still there


async def _receive(context: Context) -> bytes:
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            request = await context.read()
    except TimeoutError:
        raise RejectedError(f"the call did not arrive within {RECEIVE_SECONDS:.0f} s") from None
    if not isinstance(request, bytes):  # grpc.aio.EOF
        raise RejectedError("the call carries no message")
    if len(request) > BODY_BYTES_MAX:
        raise TooLargeError(f"the request is above {BODY_BYTES_MAX:,} bytes")
    return request


async def _done(operation: Operation[Any, Any], request: bytes, caller: Caller) -> bytes:
    members = await run_in_threadpool(members_of, operation, request)
    answer = await operation.call(members, caller)
    return await run_in_threadpool(to_wire, operation, answer)


def _caller(context: Context, operation: Operation[Any, Any]) -> Caller:
    return Caller(address=host_of(context.peer()), call=f"{SERVICE.full_name}/{operation.rpc}")


def host_of(peer: str) -> str:
    """`ipv4:127.0.0.1:4711` and `ipv6:%5B::1%5D:4711`: the address alone, as HTTP has it."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]") or "unknown"


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


async def _abort(context: Context, error: BobrError) -> NoReturn:
    """The context keeps what it raises, and that the frames that it went through: none may hold a request."""
    error.__traceback__ = None
    codes = (code for kind, code in CODES.items() if isinstance(error, kind))
    code = next(codes, grpc.StatusCode.INTERNAL)
    text = _cut(str(error), MESSAGE_BYTES_MAX)
    metadata: list[tuple[str, str | bytes]] = []
    if isinstance(error, RetryableError):
        seconds = error.retry_after_seconds
        metadata += [
            ("retry-after", f"{max(1, round(seconds))}"),
            ("grpc-retry-pushback-ms", f"{seconds * 1000:.0f}"),
        ]
    if isinstance(error, ProblemsError):
        status = status_of(code.value[0], text, error)
        metadata += [("grpc-status-details-bin", status.SerializeToString())]
    await context.abort(code, text, tuple(metadata))


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
        file=_cut(problem.file, SHOWN_BYTES_MAX),
        line=problem.line,
        column=problem.column,
        path=_cut(problem.path, SHOWN_BYTES_MAX),
        rule=problem.rule,
        message=_cut(problem.message, SHOWN_BYTES_MAX),
    )


def _cut(text: str, bytes_max: int) -> str:
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode(errors="ignore") + "…"
