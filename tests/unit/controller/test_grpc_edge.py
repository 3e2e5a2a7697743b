"""The gRPC edge over a real server: bounds, clients that go, statuses that fit into headers."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import grpc
import grpc.aio
import pytest
from google.rpc.status_pb2 import Status

from bobr.catalog import Principal
from bobr.catalog.keys import digest, new_key
from bobr.catalog.model import Key
from bobr.controller.config_api import Apply, History, ListRevisions, Rollback
from bobr.controller.grpc_edge import CALLS_MAX, GrpcEdge, host_of
from bobr.controller.grpc_messages import SERVICE, members_of, status_of
from bobr.controller.http import BODY_BYTES_MAX
from bobr.controller.objects_ask import PutStream
from bobr.controller.operations import WHOLE, Operation
from bobr.errors import (
    BobrError,
    BrokenError,
    ConflictError,
    ExistsError,
    NotFoundError,
    OverloadedError,
    Problem,
    ProblemsError,
    RejectedError,
    SchemaError,
    UnavailableError,
)
from bobr.ids import PrincipalName
from bobr.runtime.access import Access, Caller, Principals
from bobr.runtime.refusals import Refusals
from bobr.runtime.rpc import RELAY
from bobr.testing.clock import ManualClock
from bobr.v1 import configuration_pb2 as wire

HEADER_BYTES_MAX = 8 * 1024
"""That clients take in all."""
OTHERS_BYTES = 512
"""Of headers that are always there."""
FIELD_99 = b"\x98\x06\x01"
NOBODY: Principals = {}
Handler = Callable[[ListRevisions, Caller], Awaitable[History]]


def problem(path: str = "streams.orders", message: str = "no", file: str = "a.yaml") -> Problem:
    return Problem(file=file, line=3, column=1, rule="wrong-value", message=message, path=path)


async def nothing(_: object, __: Caller) -> History:
    return History(revisions=[])


def listing(handler: Handler) -> Operation[ListRevisions, History]:
    return Operation(
        rpc="ListRevisions",
        method="GET",
        path="/",
        summary="",
        ask=ListRevisions,
        answer=History,
        handler=handler,
    )


class Client:
    """Of a server with one operation."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def call(
        self, request: bytes = b"", path: str = f"/{SERVICE.full_name}/ListRevisions"
    ) -> "grpc.aio.UnaryUnaryCall[bytes, bytes]":
        return self._channel.unary_unary(path, bytes, bytes)(request, timeout=60)

    async def sends_nothing(self) -> bytes:
        """A call whose request never comes."""
        path = f"/{SERVICE.full_name}/ListRevisions"
        call = self._channel.stream_unary(path, bytes, bytes)(None, timeout=20)
        answer: bytes = await call
        return answer

    async def fails(
        self, request: bytes = b"", path: str = f"/{SERVICE.full_name}/ListRevisions"
    ) -> tuple[grpc.StatusCode, Mapping[str, str | bytes]]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(request, path)
        return caught.value.code(), metadata_of(caught.value)


def metadata_of(error: grpc.aio.AioRpcError) -> dict[str, str | bytes]:
    return dict(error.trailing_metadata() or ())  # type: ignore[arg-type]  # pairs, whatever the stubs say


@asynccontextmanager
async def serving(handler: Handler, principals: Principals = NOBODY) -> AsyncIterator[Client]:
    access = Access(lambda: principals, Refusals(ManualClock()))
    edge = GrpcEdge([listing(handler)], access)
    port = await edge.start("127.0.0.1:0")
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Client(channel)
    await edge.stop(0)


def run(
    test: Callable[[Client], Coroutine[Any, Any, None]],
    handler: Handler,
    principals: Principals = NOBODY,
) -> None:
    async def main() -> None:
        async with serving(handler, principals) as client:
            await test(client)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("x"), grpc.StatusCode.NOT_FOUND),
        (ConflictError("x"), grpc.StatusCode.ABORTED),
        (ExistsError("x"), grpc.StatusCode.ALREADY_EXISTS),
        (ProblemsError([problem()]), grpc.StatusCode.INVALID_ARGUMENT),
        (SchemaError([problem()]), grpc.StatusCode.INVALID_ARGUMENT),
        (RejectedError("x"), grpc.StatusCode.INVALID_ARGUMENT),
        (UnavailableError("x", retry_after_seconds=3), grpc.StatusCode.UNAVAILABLE),
        (OverloadedError("x", retry_after_seconds=3), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (BrokenError("x"), grpc.StatusCode.INTERNAL),
    ],
)
def test_each_error_has_its_status(error: BobrError, code: grpc.StatusCode) -> None:
    async def handler(_: ListRevisions, __: Caller) -> History:
        raise error

    async def test(client: Client) -> None:
        failed, metadata = await client.fails()
        assert failed is code
        has_details = "grpc-status-details-bin" in metadata
        assert has_details == isinstance(error, ProblemsError)
        is_retried = metadata.get("retry-after") == "3"
        assert is_retried == isinstance(error, UnavailableError | OverloadedError)

    run(test, handler)


def test_a_request_above_the_bound_is_refused() -> None:
    async def test(client: Client) -> None:
        code, _ = await client.fails(b"\x0a" * (BODY_BYTES_MAX + 1))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(test, nothing)


def test_who_has_no_key_is_refused_before_the_request_is_received() -> None:
    name = PrincipalName("ops")
    ops = Principal(name=name, configure=("*",), keys=(Key(sha256=digest(new_key(name))),))

    async def test(client: Client) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.sends_nothing()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

    run(test, nothing, {name: ops})


def test_the_relay_is_not_here() -> None:
    async def test(client: Client) -> None:
        assert await client.call() == b""
        code, _ = await client.fails(path=RELAY)
        assert code is grpc.StatusCode.UNIMPLEMENTED

    run(test, nothing)


def test_so_many_calls_at_once_and_no_more() -> None:
    go = asyncio.Event()
    begun: list[Caller] = []

    async def handler(_: ListRevisions, caller: Caller) -> History:
        begun.append(caller)
        await go.wait()
        return History(revisions=[])

    async def test(client: Client) -> None:
        calls = [asyncio.ensure_future(_answer(client)) for _ in range(CALLS_MAX)]
        while len(begun) < CALLS_MAX:
            await asyncio.sleep(0.01)
        code, metadata = await client.fails()
        assert (code, metadata["retry-after"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "1")
        go.set()
        assert await asyncio.gather(*calls) == [b""] * CALLS_MAX
        assert await client.call() == b"", "there is room again"

    run(test, handler)


async def _answer(client: Client) -> bytes:
    return await client.call()


def test_what_has_begun_is_brought_to_its_end_though_the_client_has_gone() -> None:
    begun, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(_: ListRevisions, __: Caller) -> History:
        begun.set()
        await gone.wait()
        ended.set()
        raise NotFoundError("nobody hears that")

    async def test(client: Client) -> None:
        call = client.call()
        await begun.wait()
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        code, _ = await client.fails(b"\xff")  # the server has heard of the cancelled one by now
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        gone.set()
        await asyncio.wait_for(ended.wait(), 60)

    run(test, handler)


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[fe80::1%25eth0]:4711", "fe80::1%eth0"),
        ("unix:", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_address_of_a_caller_is_as_http_has_it(peer: str, host: str) -> None:
    assert host_of(peer) == host


def applying() -> Operation[Apply, History]:
    return Operation(
        rpc="Apply",
        method="POST",
        path="/",
        summary="",
        ask=Apply,
        answer=History,
        handler=nothing,
        body=WHOLE,
    )


@pytest.mark.parametrize(
    ("request_bytes", "path"),
    [
        (FIELD_99, "field 99 of"),
        (b"\x0a\x03" + FIELD_99, "field bundle.99 of"),
        (b"\x0a\x0a\x12\x08\x0a\x01a\x12\x03" + FIELD_99, "field bundle.protos.99 of"),
    ],
)
def test_fields_that_are_not_known_are_refused_at_any_depth(
    request_bytes: bytes, path: str
) -> None:
    with pytest.raises(RejectedError, match=path):
        members_of(applying(), request_bytes)


def test_what_is_not_set_is_left_out_and_what_is_set_to_nothing_is_not() -> None:
    request = wire.ApplyRequest(bundle=wire.Bundle(), message="", auto_rollback=False)
    assert members_of(applying(), request.SerializeToString()) == {
        "bundle": {"files": {}, "protos": {}, "texts": {}},
        "message": "",
        "auto_rollback": False,
    }
    rollback: Operation[Rollback, History] = Operation(
        rpc="Rollback",
        method="POST",
        path="/",
        summary="",
        ask=Rollback,
        answer=History,
        handler=nothing,
        body=WHOLE,
    )
    first = wire.RollbackRequest(revision=0).SerializeToString()
    assert members_of(rollback, first) == {"revision": 0}


def test_a_declaration_that_is_not_set_is_an_empty_one_as_over_http() -> None:
    put: Operation[PutStream, History] = Operation(
        rpc="PutStream",
        method="PUT",
        path="/{name}",
        summary="",
        ask=PutStream,
        answer=History,
        handler=nothing,
        body="stream",
    )
    request = wire.PutStreamRequest(name="orders").SerializeToString()
    assert members_of(put, request) == {"name": "orders", "stream": {}}


@pytest.mark.parametrize("count", [1, 3, 1_000])
@pytest.mark.parametrize("text", ["x", "x" * 100, "ж" * 100_000])
def test_a_status_fits_into_the_headers_that_clients_take(count: int, text: str) -> None:
    problems = [problem(path=text, message=text, file=text) for _ in range(count)]

    async def handler(_: ListRevisions, __: Caller) -> History:
        raise ProblemsError(problems)

    async def test(client: Client) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.call()
        details = metadata_of(caught.value)["grpc-status-details-bin"]
        assert isinstance(details, bytes)
        message = caught.value.details() or ""
        nbytes = len(base64.b64encode(details)) + len(quote(message, safe=" ')"))
        assert nbytes < HEADER_BYTES_MAX - OTHERS_BYTES
        status, told = Status.FromString(details), wire.Problems()
        assert (status.code, status.message) == (caught.value.code().value[0], message)
        assert status.details[0].Unpack(told)
        assert len(told.problems) >= 1
        assert len(told.problems) + told.untold == count

    run(test, handler)


def test_details_have_the_problems_in_their_order() -> None:
    error = ProblemsError([problem(message="one"), problem(message="two")])
    told = wire.Problems()
    assert status_of(3, "x", error).details[0].Unpack(told)
    assert [(each.line, each.message) for each in told.problems] == [(3, "one"), (3, "two")]
    assert told.untold == 0
