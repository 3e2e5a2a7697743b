"""Both edges of a real broker: what is accepted, what is refused and how it is said, and what no input may do."""

import contextlib
import gzip
import json
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from bobr.broker.limits import Limits
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing.system import System
from bobr.v1 import broker_pb2 as wire

PROTO = """
syntax = "proto3";
package edges.v1;
import "buf/validate/validate.proto";
message Event {
  string event_id = 1;
  int32 size = 2 [(buf.validate.field).int32 = {gte: 0, lte: 10}];
  Event inner = 3;
  string text = 4;
}
message Loose { string event_id = 1; }
"""
MALFORMED = b"\x0a\xff"
HTTPX_KEEPS_SECONDS = 5.0


@pytest.fixture(scope="module")
def event_type() -> EventType:
    return EventType.build(compile_files({"edges.proto": PROTO}, "edges.proto"), "edges.v1.Event")


@pytest.fixture(scope="module")
def stream(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    proto = tmp_path_factory.mktemp("edges") / "edges.proto"
    proto.write_text(PROTO)
    for message, name in (("Event", "edges"), ("Loose", "loose"), ("Loose", "live")):
        system.ok("deliver", str(proto), "--message", f"edges.v1.{message}", "--stream", name)
    return "edges"


@pytest.fixture
def http(system: System, stream: str) -> Iterator[httpx2.Client]:
    base = f"http://{system.addresses['http']}/v1/streams/{stream}"
    with httpx2.Client(base_url=base, timeout=120.0, trust_env=False) as client:
        yield client


@pytest.fixture
def channel(system: System, stream: str) -> Iterator[grpc.Channel]:
    del stream
    with grpc.insecure_channel(system.addresses["grpc"]) as channel:
        yield channel


def publish(channel: grpc.Channel, request: wire.PublishRequest) -> wire.PublishResponse:
    call = channel.unary_unary(
        "/bobr.v1.Broker/Publish",
        request_serializer=wire.PublishRequest.SerializeToString,
        response_deserializer=wire.PublishResponse.FromString,
    )
    response: wire.PublishResponse = call(request)
    return response


def encoded(event_type: EventType, **members: object) -> bytes:
    return event_type.message_class(**members).SerializeToString()


def test_each_event_of_a_call_has_its_own_fate(
    channel: grpc.Channel, stream: str, event_type: EventType
) -> None:
    events = [
        encoded(event_type, event_id="a", size=1),
        MALFORMED,
        encoded(event_type, size=11),
        encoded(event_type, text="x" * 1024 * 1024),
        encoded(event_type, inner={"inner": {"size": -1}}),
        encoded(event_type, event_id="b"),
    ]
    response = publish(channel, wire.PublishRequest(stream=stream, events=events))
    assert (response.accepted, response.durable_in) == (2, wire.DURABILITY_LOG)
    assert [
        (each.index, wire.Reason.Name(each.reason), each.field, each.rule)
        for each in response.rejected
    ] == [
        (1, "REASON_MALFORMED", "", ""),
        (2, "REASON_INVALID", "size", "int32.gte_lte"),
        (3, "REASON_TOO_LARGE", "", ""),
        (4, "REASON_INVALID", "inner.inner.size", "int32.gte_lte"),
    ]
    assert all(each.message for each in response.rejected)


def test_unknown_streams_and_schemas_are_refused_for_each_event(
    channel: grpc.Channel, stream: str
) -> None:
    for request, reason in (
        (wire.PublishRequest(stream="nowhere", events=[b"", b""]), "REASON_UNKNOWN_STREAM"),
        (
            wire.PublishRequest(stream=stream, events=[b"", b""], schema_id=99),
            "REASON_UNKNOWN_SCHEMA",
        ),
    ):
        response = publish(channel, request)
        assert (response.accepted, len(response.rejected)) == (0, 2)
        assert {wire.Reason.Name(each.reason) for each in response.rejected} == {reason}


def test_a_stream_of_calls_is_answered_in_order(
    channel: grpc.Channel, stream: str, event_type: EventType
) -> None:
    call = channel.stream_stream(
        "/bobr.v1.Broker/PublishStream",
        request_serializer=wire.PublishRequest.SerializeToString,
        response_deserializer=wire.PublishResponse.FromString,
    )
    good = encoded(event_type, event_id="s")
    requests = [
        wire.PublishRequest(
            stream=stream, events=[good] * (number % 5) + [MALFORMED] * (number % 3)
        )
        for number in range(3000)
    ]
    answers = [(each.accepted, len(each.rejected)) for each in call(iter(requests))]
    assert answers == [(number % 5, number % 3) for number in range(3000)]


def test_what_is_no_request_is_an_invalid_argument(channel: grpc.Channel) -> None:
    call = channel.unary_unary(
        "/bobr.v1.Broker/Publish", request_serializer=bytes, response_deserializer=bytes
    )
    with pytest.raises(grpc.RpcError) as failed:
        call(b"\x0a\xffbroken")
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_and_reflection_answer(channel: grpc.Channel) -> None:
    for service in ("", "bobr.v1.Broker"):
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=service)
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "bobr.v1.Broker" in database.get_services()
    assert database.FindFileContainingSymbol("bobr.v1.Broker").package == "bobr.v1"


@pytest.mark.parametrize(
    ("kind", "body", "status", "accepted", "indexes"),
    [
        ("application/json", b'{"event_id": "j"}', 200, 1, []),
        ("application/json", b'[{"event_id": "j"}, {"size": 11}, {}]', 207, 2, [1]),
        ("application/json", b'[{"size": 11}]', 400, 0, [0]),
        ("application/json", b'{"event_id": ', 400, 0, [0]),
        ("application/json", b"[]", 200, 0, []),
        ("application/x-ndjson", b'{"event_id": "n"}\n\n{"size": 1}', 200, 2, []),
        ("application/x-ndjson", b'{"sise": 1}\n{"size": "x"}\n{}\n', 207, 1, [0, 1]),
        ("application/x-ndjson; charset=utf-8", b"", 200, 0, []),
        (
            "application/x-protobuf",
            wire.PublishRequest(events=[b"", MALFORMED]).SerializeToString(),
            207,
            1,
            [1],
        ),
    ],
)
def test_http_statuses_say_what_the_answer_says(
    http: httpx2.Client, kind: str, body: bytes, status: int, accepted: int, indexes: list[int]
) -> None:
    answer = http.post("events", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["accepted"] == accepted
    assert [each["index"] for each in said["rejected"]] == indexes


def test_one_protobuf_event_by_http(http: httpx2.Client, event_type: EventType) -> None:
    headers = {"content-type": "application/x-protobuf"}
    answer = http.post("events?single", content=encoded(event_type, event_id="p"), headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    answer = http.post("events?single", content=MALFORMED, headers=headers)
    assert (answer.status_code, answer.json()["rejected"][0]["reason"]) == (400, "REASON_MALFORMED")


def test_what_http_does_not_take(http: httpx2.Client, system: System) -> None:
    assert (
        http.post("events", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    )
    brotli = {"content-type": "application/json", "content-encoding": "br"}
    assert http.post("events", content=b"x", headers=brotli).status_code == 415
    assert http.get("events").status_code == 405
    assert (
        httpx2.get(f"http://{system.addresses['http']}/nothing", trust_env=False).status_code == 404
    )
    big = b"[" + b" " * (17 * 1024 * 1024) + b"]"
    assert (
        http.post("events", content=big, headers={"content-type": "application/json"}).status_code
        == 413
    )
    packed = http.post(
        "events", content=gzip.compress(b"{}"), headers={"content-type": "application/json"}
    )
    assert (packed.status_code, "content-encoding: gzip" in packed.text) == (400, True)


def test_a_request_that_breaks_off_is_none(http: httpx2.Client) -> None:
    """The stream of the path stands behind it inside, and must not be taken for the rest of an event."""
    whole = wire.PublishRequest(stream="edges", events=[b"\x0a\x01y", b"\x0a\x03zzz"])
    for cut in (1, 2, 3):
        body = whole.SerializeToString()[:-cut]
        answer = http.post(
            "events", content=body, headers={"content-type": "application/x-protobuf"}
        )
        assert (answer.status_code, "not a bobr.v1.PublishRequest" in answer.text) == (400, True)


def test_an_event_that_is_sent_as_a_call_is_not_passed_over(http: httpx2.Client) -> None:
    """Most messages parse as most others; 200 with nothing accepted would be a silent loss."""
    event = b"\x22\x01x"  # field 4, which PublishRequest does not have
    headers = {"content-type": "application/x-protobuf"}
    answer = http.post("events", content=event, headers=headers)
    assert (answer.status_code, "with ?single" in answer.text) == (400, True)
    assert http.post("events?single", content=event, headers=headers).json()["accepted"] == 1


@pytest.mark.parametrize(
    "query", ["schema_id=x", "schema_id=4294967296", "schema_id=", "schema=1", "single=1"]
)
def test_queries_that_mean_nothing(http: httpx2.Client, query: str) -> None:
    answer = http.post(
        f"events?{query}", content=b"{}", headers={"content-type": "application/json"}
    )
    assert (answer.status_code, "message" in answer.json()["error"]) == (400, True)


def test_single_is_a_flag_and_a_flag_has_two_values(http: httpx2.Client) -> None:
    headers = {"content-type": "application/x-protobuf"}
    request = wire.PublishRequest(events=[b"", b""]).SerializeToString()
    for value, accepted in (("false", 2), ("0", 2)):
        answer = http.post(f"events?single={value}", content=request, headers=headers)
        assert answer.json()["accepted"] == accepted
    for query in ("single", "single=true", "single=1"):
        answer = http.post(f"events?{query}", content=b"", headers=headers)
        assert answer.json()["accepted"] == 1
    assert http.post("events?single=maybe", content=b"", headers=headers).status_code == 400


@pytest.mark.slow
def test_who_keeps_a_connection_is_not_overtaken_by_its_end(system: System) -> None:
    """Clients keep idle ones for five seconds and more: a server that closes first makes the next call fail."""
    host, port = system.addresses["http"].rsplit(":", 1)
    request = f"GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=60.0) as idle:
        assert_serving(idle, request)
        assert not select.select([idle], [], [], HTTPX_KEEPS_SECONDS + 1.0)[0]
        assert_serving(idle, request)


def assert_serving(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    said = b""
    while b"SERVING" not in said:  # head and body may come one after the other
        piece = connection.recv(65536)
        assert piece, said
        said += piece


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_a_byte_order_mark_is_no_event(http: httpx2.Client, kind: str) -> None:
    body = b'\xef\xbb\xbf{"event_id": "bom"}'
    answer = http.post("events", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


def counts(system: System, stream: str) -> tuple[int, int]:
    """Events accepted and refused so far."""
    streams = system.ok("status", "--json").json()["streams"]
    (counts,) = (each for each in streams if each["stream"] == stream)
    return counts["accepted"], counts["rejected"]


def test_lines_are_stored_before_their_body_ends(http: httpx2.Client, system: System) -> None:
    """And lines that are too long to be events are refused events, as others are."""

    def body() -> Iterator[bytes]:
        yield b'{"event_id": "live"}\n' * 3
        yield b"x" * (9 * 1024 * 1024) + b"\n{"
        while counts(system, "live") != (3, 1):
            pass
        yield b"}"

    headers = {"content-type": "application/x-ndjson"}
    answer = http.post("../live/events", content=body(), headers=headers)
    assert answer.json()["accepted"] == 4
    assert [each["reason"] for each in answer.json()["rejected"]] == ["REASON_TOO_LARGE"]


def test_packed_bodies(http: httpx2.Client) -> None:
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    body = gzip.compress(b'{"event_id": "z"}\n' * 1000)
    assert http.post("events", content=body, headers=headers).json()["accepted"] == 1000
    assert http.post("events", content=body[:-9], headers=headers).status_code == 400
    assert http.post("events", content=b"not gzip", headers=headers).status_code == 400


def broker_memory_mb(system: System) -> int:
    pid = system.running.parts["broker"].pid
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def test_bombs_do_not_break_it(
    http: httpx2.Client, channel: grpc.Channel, system: System, event_type: EventType
) -> None:
    before = system.running.parts["broker"]
    memory = broker_memory_mb(system)
    bomb = gzip.compress(b" " * (1 << 30))
    for kind in ("application/json", "application/x-ndjson", "application/x-protobuf"):
        headers = {"content-type": kind, "content-encoding": "gzip"}
        assert http.post("events", content=bomb, headers=headers).status_code in (200, 400, 413)
    deep = b'{"inner": ' * 100_000 + b"{}" + b"}" * 100_000
    answer = http.post("events", content=deep, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["accepted"]) == (400, 0)
    nested = b""
    for _ in range(5_000):
        nested = b"\x1a" + _varint(len(nested)) + nested
    text = event_type.message_class.DESCRIPTOR.fields_by_name["text"].number
    invalid_utf8 = bytes([text << 3 | 2, 2, 0xC3, 0x28])
    response = publish(
        channel, wire.PublishRequest(stream="edges", events=[nested, invalid_utf8, b""])
    )
    assert (response.accepted, [each.index for each in response.rejected]) == (1, [0, 1])
    assert system.running.parts["broker"] == before
    assert broker_memory_mb(system) - memory < 200


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def test_a_million_empty_events_come_in_several_calls(
    channel: grpc.Channel, system: System
) -> None:
    most = Limits().call_events_max
    for _ in range(1_000_000 // most):
        response = publish(channel, wire.PublishRequest(stream="loose", events=[b""] * most))
        assert (response.accepted, len(response.rejected)) == (most, 0)
    response = publish(channel, wire.PublishRequest(stream="loose", events=[MALFORMED] * most))
    assert (response.accepted, len(response.rejected), response.stopped_at) == (0, 10_000, 10_000)
    with pytest.raises(grpc.RpcError) as refused:
        publish(channel, wire.PublishRequest(stream="loose", events=[b""] * (most + 1)))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"it has {most + 1:,} events, and {most:,} at most are taken" in str(
        refused.value.details()
    )


@pytest.mark.parametrize(("size", "status"), [(4 * 1024 * 1024, 200), (4 * 1024 * 1024 + 1, 413)])
def test_a_publish_request_is_as_large_over_both_edges(
    http: httpx2.Client, size: int, status: int
) -> None:
    filler = wire.PublishRequest(events=[b""] * 10).SerializeToString()
    unknown = b"\x7a" + _varint(
        size - len(filler) - 5
    )  # field 15, which PublishRequest does not have
    body = filler + unknown + bytes(size - len(filler) - len(unknown))
    answer = http.post("events", content=body, headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == status, answer.text


def exchange(system: System, *parts: bytes) -> bytes:
    """What comes back on one connection for what is sent in these parts, until it is closed.

    Or reset, which it is where a part comes to a connection that was closed for the part before.
    """
    host, port = system.addresses["http"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        came = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65536):
                came += data
        return came


LINES = b'{"event_id":"a"}\n{"event_id":"b"}\n'
WISH = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def post_lines(*headers: str, length: int | None = len(LINES)) -> bytes:
    body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = (
        "POST /v1/streams/edges/events HTTP/1.1",
        "Host: x",
        "Content-Type: application/x-ndjson",
        *headers,
        body,
    )
    return "\r\n".join([*lines, "", ""]).encode()


LAST = post_lines("Connection: close") + LINES


@pytest.mark.parametrize("split", [0, 1, 100, 120, len(post_lines(WISH.rstrip()))])
@pytest.mark.parametrize("wish", [WISH, WISH.replace("h2c", "websocket"), WISH.upper()])
def test_a_wish_for_another_protocol_takes_no_events_away(
    system: System, stream: str, wish: str, split: int
) -> None:
    """As Java's own client and `curl --http2` say it with each first request."""
    head = post_lines(wish.rstrip())
    answers = exchange(system, head[:split], head[split:], LINES + LAST)
    assert answers.count(b'"accepted": 2') == 2, answers


def test_a_head_may_come_byte_by_byte(system: System, stream: str) -> None:
    head = post_lines(WISH.rstrip(), "Connection: close")
    answer = exchange(system, *(bytes([byte]) for byte in head), LINES)
    assert b'"accepted": 2' in answer, answer


def test_a_wish_behind_another_request_is_refused_and_not_ignored(
    system: System, stream: str
) -> None:
    answer = exchange(system, post_lines() + LINES + post_lines(WISH.rstrip()), LINES)
    assert answer.count(b'"accepted": 2') <= 1, answer
    assert b'"accepted": 0' not in answer


@pytest.mark.parametrize("cut", range(1, len(LAST)))
def test_a_request_behind_another_may_come_in_two_parts(
    system: System, stream: str, cut: int
) -> None:
    answers = exchange(system, post_lines() + LINES + LAST[:cut], LAST[cut:])
    assert answers.count(b'"accepted": 2') == 2, answers


def test_what_stands_behind_a_body_is_no_header(system: System, stream: str) -> None:
    body = f"{len(LINES):x}\r\n".encode() + LINES + b"\r\n0\r\ncontent-type: z\r\n\r\n"
    answer = exchange(system, post_lines("Connection: close", length=None) + body)
    assert b'"accepted": 2' in answer, answer


def test_a_body_that_breaks_off_wrongly_has_no_answer(
    http: httpx2.Client, system: System, stream: str
) -> None:
    """400 would say that none of it is stored."""
    body = f"{len(LINES):x}\r\n".encode() + LINES + b"\r\nzz\r\n"
    assert exchange(system, post_lines(length=None), body) == b""


@pytest.mark.parametrize("length", [2 * len(LINES), None])
def test_a_line_that_the_client_broke_off_is_not_judged(
    system: System, stream: str, length: int | None
) -> None:
    """It may be half of a good one; who breaks off is told nothing, and sends what was not answered again."""

    def refused() -> list[str]:
        answer = httpx2.get(f"http://{system.addresses['http']}/metrics", trust_env=False)
        lines = answer.text.splitlines()
        return [line for line in lines if line.startswith("bobr_broker_events_refused_total")]

    before, cut = refused(), LINES + LINES[:9]
    body = cut if length else f"{len(cut):x}\r\n".encode() + cut + b"\r\n"
    host, port = system.addresses["http"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(post_lines(length=length) + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""
    assert exchange(system, LAST), "it goes on"
    assert refused() == before


@pytest.mark.skipif(shutil.which("java") is None, reason="needs a JDK")
def test_the_client_of_java_as_it_is(system: System, stream: str) -> None:
    source = Path(__file__).with_name("Post.java")
    url = f"http://{system.addresses['http']}/v1/streams/{stream}/events"
    done = subprocess.run(
        ("java", str(source), url), input=LINES, capture_output=True, check=True, timeout=120
    )
    assert done.stdout.count(b'"accepted": 2') == 2, done.stdout


def test_an_endless_body_of_lines_is_steady_work(http: httpx2.Client, system: System) -> None:
    memory = broker_memory_mb(system)
    lines = 300_000

    def body() -> Iterator[bytes]:
        for start in range(0, lines, 1000):
            yield b"".join(
                json.dumps({"event_id": f"l{number}"}).encode() + b"\n"
                for number in range(start, start + 1000)
            )

    answer = http.post("events", content=body(), headers={"content-type": "application/x-ndjson"})
    assert (answer.status_code, answer.json()["accepted"]) == (200, lines)
    assert broker_memory_mb(system) - memory < 200


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json"])
def test_no_event_of_a_long_body_goes_unmentioned(http: httpx2.Client, kind: str) -> None:
    """Accepted, refused, or behind `stopped_at`: also where far more are refused than an answer lists."""
    for bad, good in ((12_000, 30_000), (60_000, 1), (9_999, 5_000)):
        lines = [b'{"a":1}'] * bad + [b"{}"] * good
        body = b"\n".join(lines) if "ndjson" in kind else b"[" + b",".join(lines) + b"]"
        answer = http.post("events", content=body, headers={"content-type": kind}).json()
        looked_at = answer.get("stopped_at", bad + good)
        refused = [each["index"] for each in answer["rejected"]]
        assert refused == list(range(min(bad, looked_at)))
        assert answer["accepted"] == max(0, looked_at - bad)


def test_a_body_that_breaks_off_says_what_was_stored(http: httpx2.Client) -> None:
    body = gzip.compress(b'{"event_id": "cut"}\n' * 100_000)[:-20]
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    answer = http.post("events", content=body, headers=headers)
    assert answer.status_code == 207
    said = answer.json()
    assert 0 < said["accepted"] == said["stopped_at"] < 100_000
    assert "can not be read from here on" in said["rejected"][0]["message"]


def test_small_calls_do_not_make_huge_answers(channel: grpc.Channel, system: System) -> None:
    long_name = wire.PublishRequest(stream="x" * 80_000, events=[b""] * 20_000)
    response = publish(channel, long_name)
    assert len(response.rejected) == response.stopped_at == long_name.ByteSize() // 64
    malformed = wire.PublishRequest(stream="edges", events=[MALFORMED] * 20_000)
    response = publish(channel, malformed)
    assert len(response.rejected) == response.stopped_at == malformed.ByteSize() // 64
    large = wire.PublishRequest(stream="edges", events=[MALFORMED + b"x" * 100] * 20_000)
    response = publish(channel, large)
    assert len(response.rejected) == response.stopped_at == 10_000
    assert response.ByteSize() < 4 * 1024 * 1024
    url = f"http://{system.addresses['http']}/v1/streams/{'x' * 200}/events"
    answer = httpx2.post(url, content=b"{}", trust_env=False)
    assert (answer.status_code, "so long a name" in answer.text) == (404, True)
