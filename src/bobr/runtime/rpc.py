"""gRPC between the parts of a system: who is heard, and how much at once. What producers call is the broker's own."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import grpc
import grpc.aio

from bobr.errors import RejectedError
from bobr.runtime.public import Context, listen
from bobr.runtime.secret import authorization, is_authorized
from bobr.v1 import configurator_pb2, controller_pb2

Serve = Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]
"""A call: what comes → what is answered. RejectedError: what came is nothing that a part says."""

CONFIGURATOR = configurator_pb2.DESCRIPTOR.services_by_name["Configurator"].full_name
CONTROLLER = controller_pb2.DESCRIPTOR.services_by_name["Controller"].full_name
WATCH = f"/{CONFIGURATOR}/Watch"
RELAY = f"/{CONTROLLER}/Relay"

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""A catalog has some 150 bytes for each object, a report 500 for each delivery."""
SILENCE_SECONDS = 5.0
"""Who hears nothing for so long, though it speaks, turns to another, or calls again."""
RETRY_SECONDS_FIRST = 0.05
RETRY_SECONDS_MAX = 2.0

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # Each call has a connection of its own: what another one's learned of an address says nothing.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
NOT_HEARD = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
)
"""What is answered to strangers, and to parts of another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Others, and how they are reached. addresses: host:port, in the order in which they are tried."""

    addresses: tuple[str, ...]
    secret: str

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of a call, by which the one who is called knows us."""
        return (("authorization", authorization(self.secret)),)


@dataclass(slots=True)
class Backoff:
    """Waits between tries, the longer the more have failed, and no two parts in step."""

    _failures: int = 0

    def succeeded(self) -> None:
        """The next wait is short again."""
        self._failures = 0

    def seconds(self) -> float:
        """Until the next try."""
        longest = min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


class RpcServer:
    """One service of streams, for who knows the secret. Lives in the running event loop."""

    def __init__(self, service: str, methods: Mapping[str, Serve], secret: str) -> None:
        """methods: by name, of bytes both ways."""
        self._server = grpc.aio.server(
            options=[*OPTIONS, ("grpc.so_reuseport", 1), ("grpc.max_metadata_size", 16 * 1024)],
            interceptors=[_Guard(secret)],
        )
        handlers = {
            name: grpc.stream_stream_rpc_method_handler(_refusing(serve))
            for name, serve in methods.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, handlers),)
        )

    async def start(self, address: str) -> int:
        """Serve on `host:port`, 0 for any free port; the port. MisconfiguredError: it can not be had."""
        port = listen(self._server, address)
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Break off all calls: who was connected looks for another."""
        await self._server.stop(None)


def _refusing(serve: Serve) -> Serve:
    async def served(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        try:
            async for answer in serve(requests, context):
                yield answer
        except RejectedError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return served


class _Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # of the stubs alone
    """Lets nobody through who does not know the secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[bytes, bytes]"]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Its own answer, or whatever follows."""
        said = dict(handler_call_details.invocation_metadata or ()).get("authorization")
        if isinstance(said, str) and is_authorized(said, self._secret):
            return await continuation(handler_call_details)
        code = (
            grpc.StatusCode.UNAUTHENTICATED if said is None else grpc.StatusCode.PERMISSION_DENIED
        )
        return grpc.stream_stream_rpc_method_handler(_refuse(code))


def _refuse(code: grpc.StatusCode) -> Callable[[object, Context], Awaitable[None]]:
    async def refuse(_: object, context: Context) -> NoReturn:
        await context.abort(code, "only parts that this system's supervisor started are heard here")

    return refuse


async def ended(task: "asyncio.Task[None]") -> None:
    """Have a task of a call end, whatever it was waiting for."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # whoever wanted to know has it by now
