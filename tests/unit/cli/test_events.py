"""The HTTP way into a stream: how long it tries, and what it says when it gives up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn

from bobr.cli.events import KEPT_SECONDS, EventsClient, Piece
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


def publish(address: str, timeout_seconds: float, piece: Piece) -> None:
    def opened(limits: httpx2.Limits) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://{address}", limits=limits, trust_env=False)

    with EventsClient(opened, "orders", timeout_seconds) as client:
        client.publish(piece)


def failure(address: str, timeout_seconds: float, *, unsure: bool = False) -> BobrError:
    piece = Piece([b"{}\n"])
    with pytest.raises(BobrError) as caught:
        publish(address, timeout_seconds, piece)
    assert (piece.accepted, piece.rejected, list(piece.left)) == (0, [], [0])
    assert piece.unsure is unsure
    return caught.value


def rejected(index: int, reason: str) -> bytes:
    return b'{"index": %d, "reason": "REASON_%s", "message": "no room"}' % (index, reason.encode())


@pytest.mark.timeout(60)
def test_a_server_that_never_answers_is_waited_for_as_long_as_was_said() -> None:
    with server() as address:
        error = failure(address, 1.5, unsure=True)
    assert isinstance(error, UnavailableError)
    assert "the broker has not answered for" in str(error)


@pytest.mark.timeout(60)
def test_what_was_not_stored_is_sent_again() -> None:
    busy = answer("503 Service Unavailable", b"Service Unavailable")
    full = answer("429 Too Many Requests", b'{"error": {"message": "full"}}', "retry-after: 0")
    with server(busy, full, answer("200 OK", STORED)) as address:
        piece = Piece([b"{}\n"])
        publish(address, 30, piece)
    assert (piece.accepted, list(piece.left)) == (1, [])


@pytest.mark.timeout(60)
def test_events_that_there_was_no_room_for_are_sent_again_and_no_others() -> None:
    first = b'{"accepted": 1, "rejected": [%b], "stopped_at": 1}' % rejected(1, "UNAVAILABLE")
    then = b'{"accepted": 1, "rejected": [%b]}' % rejected(1, "INVALID")
    answers = (answer("207 Multi-Status", first), answer("207 Multi-Status", then))
    piece = Piece([b"{}\n", b"{}\n", b'{"a": 1}\n'])
    with server(*answers) as address:
        publish(address, 30, piece)
    assert (piece.accepted, list(piece.left)) == (2, [])
    assert [(each["index"], each["reason"]) for each in piece.rejected] == [(2, "REASON_INVALID")]


@pytest.mark.timeout(60)
def test_what_was_stored_is_known_when_the_time_is_up() -> None:
    """The second and the fourth of four events had no room."""
    rejections = (rejected(1, "UNAVAILABLE"), rejected(3, "UNAVAILABLE"))
    partly = answer("207 Multi-Status", b'{"accepted": 2, "rejected": [%b, %b]}' % rejections)
    piece = Piece([b"{}\n"] * 4)
    with server(partly) as address, pytest.raises(UnavailableError, match="no room"):
        publish(address, 0, piece)
    assert (piece.accepted, list(piece.left), piece.rest()) == (2, [1, 3], 3)
    assert not piece.unsure


@pytest.mark.timeout(60)
def test_time_is_counted_while_nothing_is_taken() -> None:
    """Each answer takes some events, so that a short time is enough for all."""
    some = b'{"accepted": 1, "rejected": [%b], "stopped_at": 1}' % rejected(1, "UNAVAILABLE")
    answers = (answer("207 Multi-Status", some),) * 9
    piece = Piece([b"{}\n"] * 10)
    with server(*answers, answer("200 OK", STORED)) as address:
        publish(address, 1.0, piece)
    assert (piece.accepted, piece.rejected, list(piece.left)) == (10, [], [])


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
        error = failure(address, 30, unsure=True)
    assert isinstance(error, UnavailableError)
    assert "the connection broke" in str(error)


def test_an_idle_connection_is_left_before_the_broker_closes_it() -> None:
    assert uvicorn.Config("broker").timeout_keep_alive > KEPT_SECONDS


BROKE_OFF = b'{"accepted": 1, "rejected": [%b], "stopped_at": 1}' % rejected(1, "MALFORMED")
ENDED = b'{"accepted": 1, "rejected": [], "stopped_at": 1}'


@pytest.mark.timeout(60)
@pytest.mark.parametrize("first", [BROKE_OFF, ENDED])
def test_what_was_not_looked_at_is_sent_again(first: bytes) -> None:
    """The body broke off, or was ended for the refused events of others: nothing is wrong with the events behind."""
    piece = Piece([b"{}\n"] * 2)
    with server(answer("207 Multi-Status", first), answer("200 OK", STORED)) as address:
        publish(address, 30, piece)
    assert (piece.accepted, piece.rejected, list(piece.left)) == (2, [], [])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("status", ["502 Bad Gateway", "504 Gateway Timeout", "200 OK"])
@pytest.mark.parametrize("body", [b"<html>", b"5", b'{"error": "Bad Gateway"}'])
def test_a_gateway_does_not_know_what_is_stored(status: str, body: bytes) -> None:
    with server(answer(status, body)) as address:
        error = failure(address, 30, unsure=True)
    assert isinstance(error, UnavailableError)
    assert str(error) == f"it answered {status[:3]}: {body.decode()}"


@pytest.mark.timeout(60)
def test_what_the_broker_failed_at_is_not_stored() -> None:
    body = b'{"error": {"message": "a bug of ours; nothing was stored"}}'
    with server(answer("500 Internal Server Error", body)) as address:
        assert isinstance(failure(address, 30), RejectedError)
