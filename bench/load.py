"""What benches publish: 200-byte nested events, and the clients that send them from the same two cores."""

import asyncio
import selectors
import socket
import time
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import grpc
import grpc.aio
import uvloop

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.v1 import broker_pb2 as wire

ALL_ACCEPTED = b'"rejected": []}\n'
MESSAGE = "bench.v1.Order"
PROTO = """
syntax = "proto3";
package bench.v1;
import "google/protobuf/timestamp.proto";
message Order {
  string event_id = 1;
  google.protobuf.Timestamp event_time = 2;
  int64 user = 3;
  Platform platform = 4;
  Place place = 5;
  repeated Item items = 6;
  double total = 7;
  optional string coupon = 8;
  bool first = 9;
  enum Platform { PLATFORM_UNSPECIFIED = 0; PLATFORM_WEB = 1; PLATFORM_IOS = 2; }
  message Place { string city = 1; double latitude = 2; double longitude = 3; }
  message Item { string sku = 1; int32 quantity = 2; double price = 3; }
}
"""
RULES = """
  string event_id = 1 [(buf.validate.field).string.uuid = true];
  google.protobuf.Timestamp event_time = 2 [(buf.validate.field).required = true];
  int64 user = 3 [(buf.validate.field).int64.gt = 0];
  Platform platform = 4 [(buf.validate.field).enum.defined_only = true];
  Place place = 5 [(buf.validate.field).required = true];
  repeated Item items = 6 [(buf.validate.field).repeated = {min_items: 1, max_items: 100}];
  double total = 7 [(buf.validate.field).double.gte = 0];
  optional string coupon = 8 [(buf.validate.field).string.max_len = 20];
"""


@cache
def event_type() -> EventType:
    """The type without rules."""
    return EventType.build(compile_files({"bench.proto": PROTO}, "bench.proto"), MESSAGE)


def ruled_proto() -> str:
    """The same type with ten rules."""
    head, rest = PROTO.split("  string event_id = 1;\n")
    tail = rest.split("  optional string coupon = 8;\n")[1]
    tail = tail.replace(
        "string city = 1;", "string city = 1 [(buf.validate.field).string.min_len = 1];"
    )
    tail = tail.replace("quantity = 2;", "quantity = 2 [(buf.validate.field).int32.gt = 0];")
    imports = 'import "buf/validate/validate.proto";\n'
    return head.replace("import", imports + "import", 1) + RULES.lstrip("\n") + tail


def events(count: int, first: int = 0) -> list[bytes]:
    """Serialized orders of some 200 bytes, each with an id of its own."""
    order: Callable[..., Any] = event_type().message_class
    return [order(**_members(number)).SerializeToString() for number in range(first, first + count)]


def _members(number: int) -> dict[str, Any]:
    members: dict[str, Any] = {
        "event_id": f"{number:08x}-89ab-4cde-8123-{number:012x}",
        "event_time": {"seconds": 1_760_000_000 + number // 100, "nanos": number % 1000 * 1000},
        "user": 10_000_000 + number % 977_531,
        "platform": 1 + number % 2,
        "place": {"city": "Nizhny Novgorod", "latitude": 56.3 + number / 1e6, "longitude": 44.0},
        "items": [
            {"sku": f"sku-{number % 5000:05d}-{item}", "quantity": 1 + item, "price": 9.99 + item}
            for item in range(3)
        ],
        "total": number % 10_000 / 7,
        "first": number % 5 == 0,
    }
    return {**members, "coupon": "AUTUMN"} if number % 4 == 0 else members


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What was measured."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Events."""
        return self.count / self.seconds


def publish_calls(address: str, stream: str, payloads: Sequence[bytes], per_call: int) -> Rate:
    """Unary calls, 16 ahead of their answers."""
    requests = [
        wire.PublishRequest(
            stream=stream, events=payloads[start : start + per_call]
        ).SerializeToString()
        for start in range(0, len(payloads), per_call)
    ]
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            "/bobr.v1.Broker/Publish", request_serializer=bytes, response_deserializer=bytes
        )
        ahead: deque[Any] = deque()
        started = time.perf_counter()
        for request in requests:
            ahead.append(call.future(request))
            if len(ahead) == 16:
                _check(ahead.popleft().result())
        while ahead:
            _check(ahead.popleft().result())
        return Rate(count=len(payloads), seconds=time.perf_counter() - started)


def publish_messages(
    address: str, stream: str, payloads: Sequence[bytes], streams: int = 8
) -> Rate:
    """One event a message, over some PublishStreams at once."""
    requests = [
        wire.PublishRequest(stream=stream, events=[payload]).SerializeToString()
        for payload in payloads
    ]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = runner.run(_stream_all(address, requests, streams))
    return Rate(count=len(payloads), seconds=seconds)


async def _stream_all(address: str, requests: Sequence[bytes], streams: int) -> float:
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(
            "/bobr.v1.Broker/PublishStream", request_serializer=bytes, response_deserializer=bytes
        )
        started = time.perf_counter()
        parts = (requests[number::streams] for number in range(streams))
        await asyncio.gather(*(_stream_one(call(iter(part))) for part in parts))
        return time.perf_counter() - started


async def _stream_one(answers: AsyncIterable[bytes]) -> None:
    async for answer in answers:
        _check(answer)


def _check(response: bytes) -> None:
    answer = wire.PublishResponse.FromString(response)
    assert answer.accepted, answer
    assert not answer.rejected, answer


def post(
    address: str, path: str, kind: str, bodies: Sequence[bytes], connections: int = 64
) -> Rate:
    """HTTP requests over keep-alive connections, one under way on each; the count is of bodies."""
    host, port = address.rsplit(":", 1)
    waiting = iter(
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    )
    started = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        opened = [socket.create_connection((host, int(port))) for _ in range(connections)]
        for connection in opened:
            selector.register(connection, selectors.EVENT_READ)
            _send_next(connection, waiting)
        answered = 0
        while answered < len(bodies):
            for key, _ in selector.select():
                answer = key.fileobj.recv(65536)  # type: ignore[union-attr]  # a socket
                assert answer, "the server closed the connection"
                if answer.endswith(ALL_ACCEPTED):  # headers and body may come one after the other
                    answered += 1
                    _send_next(key.fileobj, waiting)  # type: ignore[arg-type]  # a socket
        for connection in opened:
            connection.close()
    return Rate(count=len(bodies), seconds=time.perf_counter() - started)


def _send_next(connection: socket.socket, waiting: Iterator[bytes]) -> None:
    request = next(waiting, None)
    if request is not None:
        connection.sendall(request)
