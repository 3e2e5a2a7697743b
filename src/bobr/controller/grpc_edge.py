"""The gRPC edge of the controller: its operations as calls of `bobr.v1.Configuration`, with health and reflection."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc
import grpc.aio
from starlette.concurrency import run_in_threadpool

from bobr.controller.access import judge
from bobr.controller.grpc_messages import SERVICE, cut, members_of, status_of, to_wire
from bobr.controller.http import BODY_BYTES_MAX, RECEIVE_SECONDS
from bobr.controller.judging import Reading
from bobr.controller.operations import AskT, Operation, Operations
from bobr.errors import (
    BobrError,
    ConflictError,
    ExistsError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    ProblemsError,
    RejectedError,
    RetryableError,
    UnauthenticatedError,
)
from bobr.runtime.access import Access, Caller
from bobr.runtime.public import (
    Context,
    Introduction,
    authorization_in,
    code_of,
    listen,
    retry_metadata,
)
from bobr.runtime.tls import Certificates

CALLS_MAX = 64
"""At once, each with a request of at most `BODY_BYTES_MAX`."""
MESSAGE_BYTES_MAX = 1024
"""Of the text of a status, which is there twice, once with up to three bytes for each."""

CODES = {
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ConflictError: grpc.StatusCode.ABORTED,
    ExistsError: grpc.StatusCode.ALREADY_EXISTS,
    RejectedError: grpc.StatusCode.INVALID_ARGUMENT,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RetryableError: grpc.StatusCode.UNAVAILABLE,
}
"""What a call fails with: the first that fits."""


class GrpcEdge:
    """A gRPC server in the controller's event loop."""

    def __init__(self, operations: Operations, access: Access) -> None:
        """operations: one for each call of the service. `access`: who may call."""
        self._access = access
        self._receiving = 0
        self._reading = Reading()
        self._doing: set[asyncio.Future[bytes]] = set()
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", BODY_BYTES_MAX),
                ("grpc.so_reuseport", 1),
                ("grpc.max_metadata_size", 16 * 1024),
                ("grpc.max_concurrent_streams", 2 * CALLS_MAX),  # ours says when to come again
                ("grpc.http2.bdp_probe", 0),  # or clients may send MiBs that nobody asked for yet
            ]
        )
        calls = {
            each.rpc: grpc.stream_unary_rpc_method_handler(self._serving(each))
            for each in operations
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE.full_name, calls),)
        )
        self._introduction = Introduction(self._server, SERVICE.full_name, self._admit)

    async def start(self, address: str, certificates: Certificates | None = None) -> int:
        """Serve on `host:port`, 0 for any free port; the port. MisconfiguredError: it can not be had."""
        port = listen(self._server, address, certificates)
        await self._server.start()
        await self._introduction.serving()
        return port

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls, answer within the grace those under way."""
        await self._introduction.ending()
        await self._server.stop(grace_seconds)

    async def _admit(self, call: str, context: Context) -> None:
        try:
            self._caller(call, context)
        except BobrError as error:
            await _abort(context, error)

    def _caller(self, call: str, context: Context) -> Caller:
        """UnauthenticatedError: nobody knows who calls."""
        sent, address = authorization_in(context), host_of(context.peer())
        return self._access.caller(sent, f"{SERVICE.full_name}/{call}", address)

    def _serving(
        self, operation: Operation[Any, Any]
    ) -> Callable[[object, Context], Awaitable[bytes]]:
        """A unary method, served as if the client could send several: so we decide when its one message is received."""

        async def serve(_: object, context: Context) -> bytes:
            try:
                caller = self._caller(operation.rpc, context)
                judge(self._access, caller, operation.method, operation.path)
                return await self._answer(operation, caller, context)
            except BobrError as error:
                await _abort(context, error)

        return serve

    async def _answer(
        self, operation: Operation[Any, Any], caller: Caller, context: Context
    ) -> bytes:
        """What has begun is brought to its end, though the client may have gone: half a change is no change."""
        if len(self._doing) + self._receiving >= CALLS_MAX:
            raise OverloadedError(f"{CALLS_MAX} calls are worked on: call again later")
        self._receiving += 1
        try:
            request = await _receive(context)
        finally:
            self._receiving -= 1
        doing = asyncio.ensure_future(self._done(operation, request, caller))
        self._doing.add(doing)
        doing.add_done_callback(self._has_done)
        return await asyncio.shield(doing)

    async def _done(self, operation: Operation[Any, Any], request: bytes, caller: Caller) -> bytes:
        ask = await self._reading.read(partial(_read, operation, request), len(request))
        answer = await operation.handler(ask, caller)
        return await run_in_threadpool(to_wire, operation, answer)

    def _has_done(self, doing: "asyncio.Future[bytes]") -> None:
        self._doing.discard(doing)
        if not doing.cancelled():
            doing.exception()  # told to the client, if it is still there


def _read(operation: Operation[AskT, Any], request: bytes) -> AskT:
    return operation.read(members_of(operation, request))


async def _receive(context: Context) -> bytes:
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            request = await context.read()
    except TimeoutError:
        raise RejectedError(f"the call did not arrive within {RECEIVE_SECONDS:.0f} s") from None
    if not isinstance(request, bytes):  # grpc.aio.EOF
        raise RejectedError("the call carries no message")
    return request


def host_of(peer: str) -> str:
    """`ipv4:127.0.0.1:4711` and `ipv6:%5B::1%5D:4711`: the address alone, as HTTP has it."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]") or "unknown"


async def _abort(context: Context, error: BobrError) -> NoReturn:
    """The context keeps what it raises, and that the frames that it went through: none may hold a request."""
    error.__traceback__ = None
    code, text = code_of(error, CODES), cut(str(error), MESSAGE_BYTES_MAX)
    metadata: list[tuple[str, str | bytes]] = [*retry_metadata(error)]
    if isinstance(error, ProblemsError):
        status = status_of(code.value[0], text, error)
        metadata += [("grpc-status-details-bin", status.SerializeToString())]
    await context.abort(code, text, tuple(metadata))
