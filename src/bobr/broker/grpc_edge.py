"""The gRPC edge: `bobr.v1.Broker`, health and reflection. Messages stay bytes here; the publishing core reads them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NoReturn

import grpc
import grpc.aio

from bobr.broker.accumulate import Accumulator
from bobr.broker.ahead import Ahead
from bobr.broker.calls import RawEvents, addressee, to_wire
from bobr.broker.grants import Grant, Grants
from bobr.broker.limits import Limits
from bobr.errors import (
    BobrError,
    ForbiddenError,
    OverloadedError,
    RejectedError,
    RetryableError,
    UnauthenticatedError,
    UnavailableError,
)
from bobr.runtime.public import (
    Context,
    Introduction,
    authorization_in,
    code_of,
    listen,
    retry_metadata,
)
from bobr.runtime.tls import Certificates
from bobr.v1 import broker_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Broker"].full_name

STATUS = {
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    RetryableError: grpc.StatusCode.UNAVAILABLE,
    RejectedError: grpc.StatusCode.INVALID_ARGUMENT,
}
"""What a whole call fails with; events that are refused one by one are in the answer instead."""

ENDING = UnavailableError("the broker ends: what was answered is stored, send the rest again")


class GrpcEdge:
    """A gRPC server in the running event loop."""

    def __init__(self, accumulator: Accumulator, limits: Limits, grants: Grants) -> None:
        """`accumulator`: started, in this loop."""
        self._accumulator = accumulator
        self._grants = grants
        self._limits = limits
        self._reading: dict[asyncio.Task[None], Grant] = {}
        self._denied: dict[asyncio.Task[None], BobrError] = {}
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.message_bytes_max),
                ("grpc.so_reuseport", 1),
                ("grpc.max_metadata_size", 16 * 1024),
                # Calls that this loop has not seen yet; above 1,000 grpc would refuse some, in its own words.
                ("grpc.server.max_pending_requests", limits.pending_calls_max),
                ("grpc.server.max_pending_requests_hard_limit", 2 * limits.pending_calls_max),
                # Clients keep more to themselves; who resets calls as fast as it makes them is cut off by it.
                ("grpc.max_concurrent_streams", limits.connection_calls_max),
                ("grpc.http2.bdp_probe", 0),  # or clients may send MiBs that nobody asked for yet
            ],
            maximum_concurrent_rpcs=2 * limits.pending_calls_max,  # ours says when to come again
        )
        self._introduction = Introduction(self._server, SERVICE, self._admit)

    async def start(self, address: str, certificates: Certificates | None = None) -> int:
        """Serve on `host:port`, 0 for any free port; the port. MisconfiguredError: it can not be had."""
        self._server.add_generic_rpc_handlers((self._handlers(),))
        port = listen(self._server, address, certificates)
        loop = asyncio.get_running_loop()
        self._grants.when_changed(lambda: _soon(loop, self._check_streams))
        await self._server.start()
        await self._introduction.serving()
        return port

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls, answer within the grace what was read. Streams end then, and say so."""
        await self._introduction.ending()
        stopping = asyncio.ensure_future(self._server.stop(grace_seconds))
        for reading in self._reading:
            reading.cancel()
        await stopping

    def _check_streams(self) -> None:
        """Keys or rights have changed: streams of who is not known any more end, be they idle."""
        for reading, grant in list(self._reading.items()):
            try:
                grant.check()
            except BobrError as error:
                self._denied[reading] = error
                reading.cancel()

    def _grant(self, call: str, context: Context) -> Grant:
        """UnauthenticatedError: nobody knows who calls."""
        return self._grants.grant(authorization_in(context), call, context.peer())

    async def _admit(self, call: str, context: Context) -> Grant:
        """Likewise, where nothing was read yet: the call fails."""
        try:
            return self._grant(call, context)
        except BobrError as error:
            await _abort(context, error)

    def _handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Publish": grpc.stream_unary_rpc_method_handler(self._publish),
                "PublishStream": grpc.stream_stream_rpc_method_handler(self._publish_stream),
            },
        )

    async def _publish(self, _: object, context: Context) -> bytes:
        """A unary method, served as if the client could send several: so we decide when its one message is received."""
        try:
            return await self._answer(context)
        except BobrError as error:
            self._accumulator.meter.failed(error)
            await _abort(context, error)

    async def _answer(self, context: Context) -> bytes:
        grant = self._grant("Publish", context)
        grant.admit()
        request = await self._receive(context)
        grant.enter(grant.events_in(request), len(request))
        answer = self._accumulator.submit(_events(request), len(request), permit=grant.permit)
        return to_wire(await answer)

    async def _receive(self, context: Context) -> bytes:
        """What can not be taken in is refused before it is received; large calls in large numbers would be memory."""
        with self._accumulator.reserve() as room:
            room.grow(self._accumulator.typical_bytes)
            try:
                async with asyncio.timeout(self._limits.receive_seconds):
                    request = await context.read()
            except TimeoutError:
                seconds = self._limits.receive_seconds
                raise RejectedError(f"the call did not arrive within {seconds:.0f} s") from None
        if not isinstance(request, bytes):  # grpc.aio.EOF
            raise RejectedError("the call carries no message")
        return request

    async def _publish_stream(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """Read ahead up to a bound, answer in order. The client is slowed down by what is not read."""
        grant = await self._admit("PublishStream", context)
        ahead = Ahead(self._limits)
        reading = asyncio.create_task(self._read(requests, ahead, grant))
        self._reading[reading] = grant
        try:
            while (answer := await ahead.get()) is not None:
                yield to_wire(answer)
                ahead.taken(answer)
            await asyncio.wait([reading])
            if reading.cancelled():
                await _abort(context, self._denied.pop(reading, ENDING))
            await reading
        except BobrError as error:
            self._accumulator.meter.failed(error)
            await _abort(context, error)
        finally:
            reading.cancel()
            self._reading.pop(reading, None)
            self._denied.pop(reading, None)
            del reading  # its error has been through this frame, which would keep it

    async def _read(self, requests: AsyncIterator[bytes], ahead: Ahead, grant: Grant) -> None:
        try:
            expected = self._accumulator.typical_bytes
            while True:
                await grant.room()
                with self._expecting(expected):
                    request = await anext(requests, None)
                if request is None:
                    return
                events, expected = _events(request), len(request)
                grant.check()
                grant.took(grant.events_in(request), expected)
                answer = self._accumulator.submit(events, expected, ask=False, permit=grant.permit)
                stream = events.stream
                del request, events  # the next may be long in coming
                await ahead.put(answer)
                await self._accumulator.room(stream)
        finally:
            ahead.end()

    @contextlib.contextmanager
    def _expecting(self, nbytes: int) -> Iterator[None]:
        """Counts a large message while it is awaited: many streams together may send more than there is room for."""
        if nbytes <= self._limits.large_bytes:
            yield
            return
        with self._accumulator.reserve() as room:
            room.grow(nbytes, ask=False)
            loop = asyncio.get_running_loop()
            idle = loop.call_later(self._limits.idle_seconds, room.keep, 0)
            try:
                yield
            finally:
                idle.cancel()


def _soon(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all streams
        loop.call_soon_threadsafe(act)


def _events(request: bytes) -> RawEvents:
    return RawEvents(request=request, stream=addressee(request))


async def _abort(context: Context, error: BobrError) -> NoReturn:
    """The context keeps what it raises, which keeps the frames that it went through, and they the context: a circle.

    So none of them may hold a request, or MiBs would wait for the garbage collector.
    """
    error.__traceback__ = None
    await context.abort(code_of(error, STATUS), str(error), tuple(retry_metadata(error)))
