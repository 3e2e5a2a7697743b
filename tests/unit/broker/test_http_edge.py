"""The HTTP edge over a publishing core of the test's own."""

import asyncio

import pytest
from starlette.types import Message, Scope

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.calls import Call
from bobr.broker.grants import Grants
from bobr.broker.http_edge import HttpEdge
from bobr.broker.limits import Limits
from bobr.testing.clock import ManualClock
from bobr.v1 import broker_pb2 as wire

LIMITS = Limits(linger_seconds=0.0)
EVENT = b'{"s": "%b"}' % (b"x" * LIMITS.large_bytes)
REQUEST = wire.PublishRequest(events=[EVENT]).SerializeToString()
GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"application/json", EVENT),
        (b"application/json", b"[%b]" % b", ".join([EVENT] * 3)),
        (b"application/json", b"[%b]" % b", ".join([b'{"s": "x"}'] * 10_000)),
        (b"application/x-ndjson", EVENT),
        (b"application/x-protobuf", REQUEST),
    ],
    ids=["event", "array", "long array", "lines", "protobuf"],
)
def test_what_is_large_is_judged_no_longer_than_its_client_waits(kind: bytes, body: bytes) -> None:
    taken: list[Call] = []
    sent: list[Message] = []
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/streams/s/events",
        "query_string": b"",
        "headers": [(b"content-type", kind)],
    }

    async def run() -> None:
        accumulator = Accumulator("test", LIMITS, Admission(LIMITS))
        accumulator.start(taken.extend)
        messages: asyncio.Queue[Message] = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": body, "more_body": False})

        async def send(message: Message) -> None:
            sent.append(message)

        edge = HttpEdge(
            accumulator,
            LIMITS,
            Grants(ManualClock()),
            event_bytes_max=lambda _: 1 << 20,
            addresses={},
        )
        serving = asyncio.ensure_future(edge(scope, messages.get, send))
        while not taken:
            await asyncio.sleep(0)
        messages.put_nowait(GONE)
        await serving
        await accumulator.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert all(call.future.cancelled() for call in taken)
    assert not sent
