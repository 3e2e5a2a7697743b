"""The ways into a broker, each as a connection that publishes calls and gives their answers in order."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import grpc
import httpx2
from google.protobuf import json_format

from bobr.v1 import broker_pb2 as wire

CALL_SECONDS = 15.0
"""After that, what became of a call is unknown."""
STREAM_SECONDS = 60.0
"""Likewise a whole PublishStream; then the next one begins."""

Publish = Callable[[Iterator[wire.PublishRequest]], Iterator[wire.PublishResponse]]
Way = Callable[[Mapping[str, str]], AbstractContextManager[Publish]]
"""Addresses of a system → a connection. Publishing raises OSError, grpc.RpcError or httpx2.HTTPError."""

TAKEN = (200, 207, 400)
"""HTTP statuses whose body is a PublishResponse."""


@contextmanager
def unary(addresses: Mapping[str, str]) -> Iterator[Publish]:
    """gRPC, one call after the other."""
    with grpc.insecure_channel(addresses["grpc"]) as channel:
        call = channel.unary_unary(
            "/bobr.v1.Broker/Publish",
            request_serializer=wire.PublishRequest.SerializeToString,
            response_deserializer=wire.PublishResponse.FromString,
        )
        yield lambda requests: (call(request, timeout=CALL_SECONDS) for request in requests)


@contextmanager
def streaming(addresses: Mapping[str, str]) -> Iterator[Publish]:
    """gRPC, calls ahead of their answers."""
    with grpc.insecure_channel(addresses["grpc"]) as channel:
        call = channel.stream_stream(
            "/bobr.v1.Broker/PublishStream",
            request_serializer=wire.PublishRequest.SerializeToString,
            response_deserializer=wire.PublishResponse.FromString,
        )
        yield lambda requests: iter(call(requests, timeout=STREAM_SECONDS))


@contextmanager
def http(addresses: Mapping[str, str]) -> Iterator[Publish]:
    """HTTP with protobuf bodies, one request after the other."""
    base = f"http://{addresses['http']}"
    with httpx2.Client(base_url=base, timeout=CALL_SECONDS, trust_env=False) as client:
        yield lambda requests: (_post(client, request) for request in requests)


def _post(client: httpx2.Client, request: wire.PublishRequest) -> wire.PublishResponse:
    answer = client.post(
        f"/v1/streams/{request.stream}/events",
        content=request.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    if answer.status_code not in TAKEN:
        raise OSError(f"HTTP {answer.status_code}: {answer.text}")
    return json_format.Parse(answer.text, wire.PublishResponse())
