"""An HTTP server that ends: who has a connection is told before it is closed."""

import http.client
import socket
from collections.abc import Iterator

import pytest
from starlette.responses import PlainTextResponse

from bobr.runtime.loops import LoopThread, serve_http


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def server(listening: socket.socket) -> Iterator[LoopThread]:
    app = PlainTextResponse("here")
    server = LoopThread(
        "http", lambda running: serve_http(app, listening, running, grace_seconds=1)
    )
    server.start()
    yield server
    server.ask_to_stop()
    server.join()


def test_the_last_answer_says_that_it_is_the_last(
    server: LoopThread, listening: socket.socket
) -> None:
    host, port = listening.getsockname()
    connection = http.client.HTTPConnection(host, port, timeout=20)
    said: list[str | None] = []
    while not said or said[-1] is None:  # a connection that is closed without a word raises
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.read() == b"here"
        said.append(answer.getheader("connection"))
        server.ask_to_stop()
    assert said[0] is None
    assert said[-1] == "close"
    connection.close()
