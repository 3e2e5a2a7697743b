"""The HTTP way into a stream: how long it tries, and what it says when it gives up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from bobr.cli.events import KEPT_SECONDS, EventsClient
from bobr.errors import BobrError, RejectedError, UnavailableError

STORED = b'{"accepted": 1, "rejected": []}'


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def server(*answers: bytes) -> Iterator[str]:
    """Takes connections, and gives each the next answer; behind the last it is silent. Its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    thread = threading.Thread(target=serve, args=(listening, answers, ended))
    thread.start()
    try:
        yield "{}:{}".format(*listening.getsockname())
    finally:
        ended.set()
        thread.join()
        listening.close()


def serve(listening: socket.socket, answers: tuple[bytes, ...], ended: threading.Event) -> None:
    for each in answers:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(each)
    ended.wait()


def publish(address: str, timeout_seconds: float) -> dict[str, object]:
    with EventsClient(address, "orders", timeout_seconds) as client:
        return client.publish_lines([b"{}\n"])


def failure(address: str, timeout_seconds: float) -> BobrError:
    with pytest.raises(BobrError) as caught:
        publish(address, timeout_seconds)
    return caught.value


@pytest.mark.timeout(60)
def test_a_server_that_never_answers_is_waited_for_as_long_as_was_said() -> None:
    with server() as address:
        error = failure(address, 1.5)
    assert isinstance(error, UnavailableError)
    assert "the broker has not answered for" in str(error)
    assert "may or may not be stored" in str(error)


@pytest.mark.timeout(60)
def test_what_was_not_stored_is_sent_again() -> None:
    busy = answer("503 Service Unavailable", b"Service Unavailable")
    full = answer("429 Too Many Requests", b'{"error": {"message": "full"}}', "retry-after: 0")
    with server(busy, full, answer("200 OK", STORED)) as address:
        assert publish(address, 30)["accepted"] == 1


@pytest.mark.timeout(60)
def test_events_that_there_was_no_room_for_are_sent_again_and_no_others() -> None:
    def rejected(index: int, reason: str) -> bytes:
        return b'{"index": %d, "reason": "%s"}' % (index, reason.encode())

    no_room = rejected(1, "REASON_UNAVAILABLE")
    first = b'{"accepted": 1, "rejected": [%b], "stopped_at": 1}' % no_room
    then = b'{"accepted": 1, "rejected": [%b]}' % rejected(1, "REASON_INVALID")
    answers = (answer("207 Multi-Status", first), answer("207 Multi-Status", then))
    with server(*answers) as address, EventsClient(address, "orders", 30) as client:
        assert client.publish_lines([b"{}\n", b"{}\n", b'{"a": 1}\n']) == {
            "accepted": 2,
            "rejected": [{"index": 2, "reason": "REASON_INVALID"}],
        }


@pytest.mark.timeout(60)
def test_a_pause_is_no_longer_than_the_time_that_is_left() -> None:
    full = answer("429 Too Many Requests", b'{"error": {"message": "full"}}', "retry-after: 9999")
    with server(full, full) as address:
        error = failure(address, 1)
    assert isinstance(error, UnavailableError)
    assert str(error) == "the broker takes nothing: full"


@pytest.mark.timeout(60)
def test_nobody_there_is_nothing_stored() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "{}:{}".format(*listening.getsockname())
    error = failure(address, 0)
    assert (type(error), str(error)) == (
        UnavailableError,
        "the broker takes nothing: does not answer",
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": 1}'])
def test_a_stranger_is_told_in_one_line(body: bytes) -> None:
    with server(answer("404 Not Found", body)) as address:
        error = failure(address, 30)
    assert isinstance(error, RejectedError)
    assert str(error) == f"it answered 404: {body.decode()}"


@pytest.mark.timeout(60)
def test_a_connection_that_breaks_leaves_it_open_what_is_stored() -> None:
    with server(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{") as address:
        error = failure(address, 30)
    assert isinstance(error, UnavailableError)
    assert "may or may not be stored" in str(error)


def test_an_idle_connection_is_left_before_the_broker_closes_it() -> None:
    assert uvicorn.Config("broker").timeout_keep_alive > KEPT_SECONDS
