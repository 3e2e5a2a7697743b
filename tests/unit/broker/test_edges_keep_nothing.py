"""What a call carried is given back when it was answered, also by an error: by reference counts, not by the collector.

Errors keep the frames that they went through, and frames what they hold; in a circle that is MiBs until a collection,
which may come after thousands of calls.
"""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator, Sequence

import grpc.aio
import pytest
from starlette.types import Message, Scope

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.calls import Call
from bobr.broker.grants import Grants
from bobr.broker.grpc_edge import GrpcEdge
from bobr.broker.http_edge import HttpEdge
from bobr.broker.limits import Limits
from bobr.errors import UnavailableError
from bobr.testing.clock import ManualClock
from bobr.v1 import broker_pb2 as wire

CALLS = 20
LIMITS = Limits(linger_seconds=0.0)
REQUEST = wire.PublishRequest(stream="s", events=[b"x" * 1000]).SerializeToString()

Calls = Callable[[Accumulator], Coroutine[None, None, None]]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def unary(accumulator: Accumulator) -> None:
    await over_grpc(accumulator, unary_call)


async def streams(accumulator: Accumulator) -> None:
    await over_grpc(accumulator, stream_call)


async def over_grpc(
    accumulator: Accumulator, call: Callable[[grpc.aio.Channel], Coroutine[None, None, None]]
) -> None:
    edge = GrpcEdge(accumulator, LIMITS, Grants(ManualClock()))
    port = await edge.start("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(CALLS):
            with pytest.raises(grpc.aio.AioRpcError, match="the log is away"):
                await call(channel)
    await edge.stop(1.0)


async def unary_call(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary("/bobr.v1.Broker/Publish", bytes, bytes)(REQUEST)


async def stream_call(channel: grpc.aio.Channel) -> None:
    async for _ in channel.stream_stream("/bobr.v1.Broker/PublishStream", bytes, bytes)(
        iter([REQUEST])
    ):
        pass


async def http(accumulator: Accumulator) -> None:
    edge = HttpEdge(
        accumulator, LIMITS, Grants(ManualClock()), event_bytes_max=lambda _: 1, addresses={}
    )
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/streams/s/events",
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-protobuf")],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": REQUEST, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    for _ in range(CALLS):
        await edge(scope, receive, send)
    assert [each["status"] for each in sent if "status" in each] == [503] * CALLS


@pytest.mark.parametrize("calls", [unary, streams, http])
@pytest.mark.usefixtures("no_collector")
def test_failed_calls_leave_nothing(calls: Calls) -> None:
    async def run() -> None:
        accumulator = Accumulator("test", LIMITS, Admission(LIMITS))

        def fail(round_: Sequence[Call]) -> None:
            for call in round_:
                call.outcome = UnavailableError("the log is away")
            accumulator.settle(round_)

        accumulator.start(fail)
        await calls(accumulator)
        await accumulator.close()

    asyncio.run(run())
    assert not [each for each in gc.get_objects() if any(map(is_a_request, gc.get_referents(each)))]


def is_a_request(thing: object) -> bool:
    """One that an edge received, not ours."""
    return isinstance(thing, bytes) and thing.startswith(REQUEST) and thing is not REQUEST
