"""Clients that do not behave: each costs little, and the others are served meanwhile."""

import asyncio
import select
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import grpc.aio
import httpx2
import psutil
import pytest

from bobr.broker.limits import Limits
from bobr.testing import ways
from bobr.testing.system import System
from bobr.testing.trial import Trial
from bobr.testing.ways import http, streaming, unary
from bobr.v1 import broker_pb2 as wire

MIB = 1024 * 1024
STREAMS = 2_000
RESETS = 200_000
SLOW = 500
LARGE_CLIENTS = 60
GROWTH_BYTES_MAX = 550 * MIB
"""What all of them hold is some GiB."""
MALFORMED = b"\x0a\xff"
METHOD = "/bobr.v1.Broker/PublishStream"
SERIALIZERS = (wire.PublishRequest.SerializeToString, wire.PublishResponse.FromString)

pytestmark = pytest.mark.slow


@pytest.fixture
def trial(system: System, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    trial = Trial(system=system, folder=tmp_path_factory.mktemp("hostile"), stream="hostile")
    trial.deliver()
    return trial


@pytest.fixture(autouse=True)
def _broker_is_none_the_worse(trial: Trial) -> Iterator[None]:
    """The same process, not much larger, with nothing left in it."""
    before = trial.system.running.parts["broker"]
    memory = broker_bytes(trial)
    yield
    assert_others_are_served(trial)
    assert trial.system.running.parts["broker"] == before
    assert broker_bytes(trial) - memory < 300 * MIB


def broker_bytes(trial: Trial) -> int:
    pid = trial.system.running.parts["broker"].pid
    return int(psutil.Process(pid).memory_info().rss)


def assert_others_are_served(trial: Trial) -> None:
    event = wire.PublishRequest(stream=trial.stream, events=[trial.encode(0)])
    for way in (unary, http):
        with way(trial.system.addresses) as publish:
            assert next(publish(iter([event]))).accepted == 1
    url = f"http://{trial.system.addresses['http']}/healthz"
    assert httpx2.get(url, trust_env=False).status_code == 200


def test_a_client_that_never_reads_its_answers_is_not_read_either(trial: Trial) -> None:
    request = wire.PublishRequest(stream=trial.stream, events=[MALFORMED] * 100)
    sent = 0

    def endless() -> Iterator[wire.PublishRequest]:
        nonlocal sent
        while True:
            sent += 1
            yield request

    with streaming(trial.system.addresses) as publish:
        answers = publish(endless())
        seen = -1
        while sent != seen:  # others are served until it stands still
            seen = sent
            assert_others_are_served(trial)
        assert next(answers).stopped_at == Limits().rejections_min


def test_two_thousand_open_streams(trial: Trial) -> None:
    async def run() -> None:
        address = trial.system.addresses["grpc"]
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with (
            grpc.aio.insecure_channel(address, options=options) as one,
            grpc.aio.insecure_channel(address, options=options) as other,
        ):
            done = asyncio.Event()
            calls: list[grpc.aio.StreamStreamCall[wire.PublishRequest, wire.PublishResponse]] = [
                channel.stream_stream(METHOD, *SERIALIZERS)(one_and_wait(trial, number, done))
                for number in range(STREAMS // 2)
                for channel in (one, other)
            ]
            answers = await asyncio.gather(*(call.read() for call in calls))
            assert [accepted(answer) for answer in answers] == [1] * STREAMS
            await asyncio.to_thread(assert_others_are_served, trial)
            done.set()
            ends = await asyncio.gather(*(call.read() for call in calls))
            assert not any(map(accepted, ends))

    asyncio.run(run())


def test_calls_that_are_reset_at_once_are_not_kept(trial: Trial) -> None:
    """A request in 100 bytes, taken back in 13 more: what is made of each in Python would take far longer."""
    memory = broker_bytes(trial)
    host, port = trial.system.addresses["grpc"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as flood:
        flood.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        with suppress(ConnectionError):  # it is cut off
            for first in range(1, 2 * RESETS, 200):
                flood.sendall(b"".join(map(called_and_reset, range(first, first + 200, 2))))
        assert broker_bytes(trial) - memory < 150 * MIB
        assert_others_are_served(trial)


def called_and_reset(stream: int) -> bytes:
    return frame(HEADERS, END_HEADERS, stream, HEAD) + frame(RST_STREAM, 0, stream, CANCEL)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Of HTTP/2, RFC 9113."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


HEADERS, RST_STREAM, SETTINGS = 1, 3, 4
END_HEADERS, CANCEL = 4, (8).to_bytes(4)
HEAD = b"".join(
    b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value  # literal, not indexed
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", METHOD.encode()),
        (b":authority", b"x"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)


def accepted(answer: object) -> int:
    """Events; none, if it is the end."""
    return answer.accepted if isinstance(answer, wire.PublishResponse) else 0


async def one_and_wait(
    trial: Trial, number: int, done: asyncio.Event
) -> AsyncIterator[wire.PublishRequest]:
    yield wire.PublishRequest(stream=trial.stream, events=[trial.encode(number)])
    await done.wait()


def test_requests_that_never_come_to_an_end(trial: Trial) -> None:
    """Heads without an end, bodies that stop: the connections are closed, all of them, by the server."""
    path = f"POST /v1/streams/{trial.stream}/events HTTP/1.1\r\nhost: x\r\n"
    body = "content-type: application/json\r\ncontent-length: 1000000\r\n\r\n["
    sockets = [connection(trial) for _ in range(SLOW)]
    for number, each in enumerate(sockets):
        each.sendall((path + (body if number % 2 else "")).encode())
    assert_others_are_served(trial)
    for each in sockets:
        said = read_all(each)
        assert said == b"" or said.startswith(b"HTTP/1.1 408")
        each.close()


LARGE_BODIES = {
    "array": ("application/json", b"[" + b"{}," * 900_000 + b"{}]"),
    "long line": ("application/x-ndjson", b'{"filling": "' + b"x" * (7 * MIB) + b'"}'),
    "lines": ("application/x-ndjson", (b'{"filling": "' + b"x" * 250 + b'"}\n') * 15_000),
}


@pytest.mark.parametrize("case", LARGE_BODIES)
def test_many_large_bodies_at_once(trial: Trial, case: str) -> None:
    """What each of them holds counts: they wait, or are told to come again, and the broker does not grow with them."""
    kind, body = LARGE_BODIES[case]
    head = (
        f"POST /v1/streams/{trial.stream}/events HTTP/1.1\r\nhost: x\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    )

    def send(_: int) -> bytes:
        with connection(trial) as client:
            try:
                client.sendall(head.encode() + body)
                return client.recv(12)
            except ConnectionError:
                return b""

    with ThreadPoolExecutor(LARGE_CLIENTS) as pool, peak(trial) as most:
        statuses = set(pool.map(send, range(LARGE_CLIENTS)))
    assert statuses <= {b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 429", b""}, statuses
    assert most() < GROWTH_BYTES_MAX


def test_many_streams_of_large_messages(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    event = replace(trial, filling="x" * (MIB - 1000)).encode(0)
    request = wire.PublishRequest(stream=trial.stream, events=[event] * 3)

    def send(_: int) -> int:
        with streaming(trial.system.addresses) as publish:
            return sum(1 for _ in publish(iter([request] * 3)))

    monkeypatch.setattr(ways, "STREAM_SECONDS", 300.0)
    with ThreadPoolExecutor(LARGE_CLIENTS) as pool, peak(trial) as most:
        assert list(pool.map(send, range(LARGE_CLIENTS))) == [3] * LARGE_CLIENTS
    assert most() < GROWTH_BYTES_MAX


@pytest.mark.parametrize(
    ("count", "status", "stopped_at"),
    [(Limits().call_events_max, 400, 10_000), (1_000_000, 400, None), (3_500_000, 413, None)],
)
def test_a_body_of_very_many_bad_events(
    trial: Trial, count: int, status: int, stopped_at: int | None
) -> None:
    """As many are looked at as an answer lists; all would be a minute of work, and GiBs of refusals."""
    request = wire.PublishRequest(stream=trial.stream, events=[MALFORMED] * count)
    url = f"http://{trial.system.addresses['http']}/v1/streams/{trial.stream}/events"
    headers = {"content-type": "application/x-protobuf"}
    with peak(trial) as most:
        answer = httpx2.post(
            url,
            content=request.SerializeToString(),
            headers=headers,
            timeout=120.0,
            trust_env=False,
        )
    assert (answer.status_code, answer.json().get("stopped_at")) == (status, stopped_at)
    assert most() < GROWTH_BYTES_MAX


@contextmanager
def peak(trial: Trial) -> Iterator[Callable[[], int]]:
    """The most memory that the broker has taken from here on."""
    before = broker_bytes(trial)
    process = f"/proc/{trial.system.running.parts['broker'].pid}"
    Path(process, "clear_refs").write_text("5")

    def most() -> int:
        lines = Path(process, "status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 - before

    yield most


def test_a_head_without_measure(trial: Trial) -> None:
    with connection(trial) as endless:
        endless.sendall(b"GET /healthz HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 64 * MIB:
                sent += endless.send(b"x-more: " + b"x" * 8000 + b"\r\n")
        except ConnectionError:
            pass
        assert sent < 64 * MIB, "it was read for ever"


def test_pipelined_requests_whose_answers_nobody_reads(trial: Trial) -> None:
    with connection(trial) as greedy:
        greedy.setblocking(False)
        request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 1000
        writable: Sequence[object] = [greedy]
        while writable:  # until nothing more is taken from us
            try:
                greedy.send(request)
            except BlockingIOError:
                writable = select.select([], [greedy], [], 1.0)[1]
        assert_others_are_served(trial)


def connection(trial: Trial) -> socket.socket:
    host, port = trial.system.addresses["http"].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=120.0)


def read_all(open_socket: socket.socket) -> bytes:
    said = b""
    try:
        while piece := open_socket.recv(65536):
            said += piece
    except ConnectionError:
        pass
    return said
