"""One HTTP connection, whatever its client does with it: an application of the test's own behind the real server."""

import queue
import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from bobr.runtime import http_protocol
from bobr.runtime.loops import LoopThread, serve_http

MIB = 1024 * 1024
SECONDS = 20
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


class Application:
    """Reads each body. /large: answers with MiBs, /stream: with as many in pieces. /wait: until the client is gone."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/wait":
            self.heard.put((await receive())["type"])
            return
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for left in range(16, -1, -1):
                body = {"body": bytes(MIB), "more_body": left > 0}
                await send({"type": "http.response.body", **body})
            return
        content = bytes(16 * MIB if scope["path"] == "/large" else 1)
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def client(application: Application) -> Iterator[socket.socket]:
    """Connected; it takes little that it does not read."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        server = LoopThread(
            "http", lambda running: serve_http(application, listening, running, grace_seconds=1)
        )
        server.start()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(SECONDS)
        client.connect(listening.getsockname())
        yield client
        client.close()
        server.ask_to_stop()
        server.join()


def test_what_stands_behind_a_body_is_bounded(client: socket.socket) -> None:
    client.sendall(CHUNKED + b"0\r\nx: ")
    sent = 0
    try:
        while sent < 16 * MIB:
            sent += client.send(b"x" * MIB)
    except ConnectionError:
        pass
    assert sent < 16 * MIB, "it was kept for ever"


def test_a_body_of_small_chunks_has_no_bound(client: socket.socket) -> None:
    chunks = b"1;extension=of-a-length\r\nx\r\n" * 20_000
    assert len(chunks) > http_protocol.HEAD_BYTES_MAX
    for piece in (CHUNKED, chunks, chunks, b"0\r\n\r\n"):
        client.sendall(piece)
    assert client.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "piece",
    [b"\x16\x03\x01", b"GET / HTTP/1.1\nhost: x\n\n", b"GET / HTTP/1.1\r\nhost: x\n", b"get"],
)
def test_what_is_no_head_is_refused_before_its_end(client: socket.socket, piece: bytes) -> None:
    client.sendall(piece)
    assert client.recv(12) == b"HTTP/1.1 400"


def test_who_goes_away_is_missed_by_each_of_its_requests(
    client: socket.socket, application: Application
) -> None:
    """Also by the one that is worked on while others stand behind it."""
    client.sendall(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n")
    client.close()
    assert application.heard.get(timeout=SECONDS) == "http.disconnect"


def test_who_leaves_an_answer_unread_is_parted_from(
    client: socket.socket, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.05)
    client.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\nGET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
    assert application.heard.get(timeout=SECONDS) == "http.disconnect"


def test_who_reads_an_answer_has_all_of_it_however_late_that_is(client: socket.socket) -> None:
    client.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert sum(iter(lambda: len(client.recv(65536)), 0)) > 16 * MIB


def test_an_answer_in_pieces_waits_for_who_reads_it(
    client: socket.socket, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bobr tail` into a pager. Longer than another is waited for, who came later."""
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.05)
    client.sendall(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
    with socket.create_connection(client.getpeername()) as other:
        other.sendall(
            b"GET /large HTTP/1.1\r\nhost: x\r\n\r\nGET /wait HTTP/1.1\r\nhost: x\r\n\r\n"
        )
        assert application.heard.get(timeout=SECONDS) == "http.disconnect"
    read = 0
    while read < 16 * MIB and (piece := client.recv(65536)):
        read += len(piece)
    assert read >= 16 * MIB
