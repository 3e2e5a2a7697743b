"""What a monitor hears: over a real socket, of a part on a port of its own, and in front of an application."""

import socket
from collections.abc import Iterator

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from bobr.catalog import Principal
from bobr.catalog.keys import digest, new_key
from bobr.catalog.model import Key
from bobr.clock import SystemClock
from bobr.errors import UnavailableError
from bobr.ids import PrincipalName
from bobr.runtime.access import Access, Principals
from bobr.runtime.loops import LoopThread, serve_http
from bobr.runtime.metrics import Sample
from bobr.runtime.observed import Observed, ObservedApp, serve_metrics
from bobr.runtime.refusals import Refusals


class Part:
    """As monitors see it."""

    def __init__(self) -> None:
        self.is_ready = False
        self.fails = False
        self.principals: Principals | None = {}

    def samples(self) -> Iterator[Sample]:
        if self.fails:
            raise UnavailableError("the log does not answer")
        yield Sample("bobr_transmitter_catalog_revision", 7)

    @property
    def observed(self) -> Observed:
        return Observed(
            part="transmitter",
            samples=self.samples,
            is_ready=lambda: self.is_ready,
            access=Access(lambda: self.principals, Refusals(SystemClock())),
        )


@pytest.fixture
def part() -> Part:
    return Part()


def client_of(listening: socket.socket) -> httpx2.Client:
    host, port = listening.getsockname()
    return httpx2.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=30)


@pytest.fixture
def client(part: Part) -> Iterator[httpx2.Client]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        serve_metrics(part.observed, listening, None),
        client_of(listening) as client,
    ):
        yield client


def test_a_part_is_healthy_before_it_is_ready(client: httpx2.Client, part: Part) -> None:
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 503)
    assert client.get("/readyz").json() == {"status": "NOT_SERVING"}
    part.is_ready = True
    assert client.get("/readyz").json() == client.get("/healthz").json() == {"status": "SERVING"}


def test_metrics_are_told(client: httpx2.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "bobr_transmitter_catalog_revision 7.0\n" in answer.text


def test_metrics_are_told_to_nobody_before_it_is_known_who_may_see_them(
    client: httpx2.Client, part: Part
) -> None:
    part.principals = None
    assert client.get("/metrics").status_code == 503
    part.principals = {}
    assert client.get("/metrics").status_code == 200


def test_where_keys_are_needed_metrics_are_told_to_who_has_one(
    client: httpx2.Client, part: Part
) -> None:
    ops = PrincipalName("ops")
    key = new_key(ops)
    part.principals = {ops: Principal(name=ops, keys=(Key(sha256=digest(key)),))}
    assert client.get("/metrics").status_code == 401
    wrong = {"authorization": f"Bearer {key}x"}
    assert client.get("/metrics", headers=wrong).status_code == 401
    right = {"authorization": f"Bearer {key}"}
    assert "bobr_transmitter_catalog_revision" in client.get("/metrics", headers=right).text
    assert client.get("/healthz").status_code == 200


def test_metrics_that_can_not_be_had_now_are_a_503(client: httpx2.Client, part: Part) -> None:
    part.fails = True
    answer = client.get("/metrics")
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    assert client.get("/healthz").status_code == 200


def test_nothing_else_is_there(client: httpx2.Client) -> None:
    assert client.get("/").status_code == 404
    assert client.post("/metrics").status_code == 405
    assert client.head("/healthz").status_code == 200


def test_without_a_socket_it_serves_nowhere(part: Part) -> None:
    with serve_metrics(part.observed, None, None):
        pass


def test_what_is_no_monitors_question_goes_on_to_the_application(part: Part) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = PlainTextResponse("the application")
        server = LoopThread(
            "http",
            lambda running: serve_http(
                ObservedApp(part.observed, app), listening, running, grace_seconds=1
            ),
        )
        server.start()
        try:
            with client_of(listening) as client:
                assert client.get("/metrics/more").text == "the application"
                assert client.get("/healthz").json() == {"status": "SERVING"}
        finally:
            server.ask_to_stop()
            server.join()
