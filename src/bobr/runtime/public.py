"""What the gRPC servers have in common that everybody may call: ports with TLS, health, reflection, refusals.

Health is told to everybody; what can be called, by reflection, to who has a key.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from math import ceil

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from bobr.errors import BobrError, MisconfiguredError, RetryableError
from bobr.runtime.tls import Certificates

Context = grpc.aio.ServicerContext[bytes, bytes]
Admit = Callable[[str, Context], Awaitable[object]]
"""A call's name and context → whatever. Aborts the call of who has no key that is known."""


def listen(server: grpc.aio.Server, address: str, certificates: Certificates | None = None) -> int:
    """Have it serve on `host:port`, 0 for any free port; the port. MisconfiguredError: it can not be had."""
    try:
        if certificates is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, certificates.grpc_credentials())
    except RuntimeError as error:
        message = f"gRPC can not listen on {address}: another program has the port, or the address is not ours"
        raise MisconfiguredError(message) from error


class Introduction:
    """Health and reflection of a server's service."""

    def __init__(self, server: grpc.aio.Server, service: str, admit: Admit) -> None:
        """Before the server starts. `admit`: to reflection."""
        self._service = service
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (service, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            _Reflection(names, admit), server
        )

    async def serving(self) -> None:
        """Calls are answered from now on."""
        for service in ("", self._service):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def ending(self) -> None:
        """No more calls are taken."""
        await self._health.enter_graceful_shutdown()


class _Reflection(ReflectionServicer):  # type: ignore[misc]  # grpc has no types for it
    def __init__(self, names: Sequence[str], admit: Admit) -> None:
        super().__init__(names)
        self._admit = admit

    async def ServerReflectionInfo(  # noqa: N802  # gRPC's name
        self, request_iterator: AsyncIterator[object], unused_context: Context
    ) -> AsyncIterator[object]:
        await self._admit("ServerReflectionInfo", unused_context)
        async for answer in super().ServerReflectionInfo(request_iterator, unused_context):
            yield answer


def authorization_in(context: Context) -> str:
    """What the caller sent; empty: nothing."""
    metadata = context.invocation_metadata() or ()
    return str(next((value for name, value in metadata if name == "authorization"), ""))


def code_of(error: BobrError, codes: Mapping[type[BobrError], grpc.StatusCode]) -> grpc.StatusCode:
    """What a call fails with: the first that fits."""
    fitting = (code for kind, code in codes.items() if isinstance(error, kind))
    return next(fitting, grpc.StatusCode.INTERNAL)


def retry_metadata(error: BobrError) -> Sequence[tuple[str, str]]:
    """When to call again: for people, and for clients of gRPC."""
    if not isinstance(error, RetryableError):
        return ()
    seconds = error.retry_after_seconds
    return (
        ("retry-after", f"{max(1, ceil(seconds))}"),
        ("grpc-retry-pushback-ms", f"{seconds * 1000:.0f}"),
    )
