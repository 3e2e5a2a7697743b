"""Who answers at BOBR_URL: nobody unknown is told the key, and what is not Bobr's is said to be that."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bobr.cli.system import TIMEOUT_SECONDS, addresses, controller
from bobr.errors import BobrError, MisconfiguredError, RejectedError, UnavailableError
from bobr.testing.certificates import authority, signed


class Stranger(ThreadingHTTPServer):
    """Answers all but the question where the system listens with one status and text, and keeps what it was told."""

    def __init__(self, status: int = 200, text: str = "{}", told: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.text = status, text
        own = {"http": self.address, "control": self.address, "lake": "/lake"}
        self.told = json.dumps(own) if told is None else told
        self.heard: list[str | None] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """Of `Stranger`."""

    def do_GET(self) -> None:
        stranger = self.server
        assert isinstance(stranger, Stranger)
        stranger.heard.append(self.headers["authorization"])
        is_address = self.path == "/v1/addresses" and stranger.told
        text = stranger.told if is_address else stranger.text
        self.send_response(200 if is_address else stranger.status)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(stranger: Stranger) -> Iterator[Stranger]:
    thread = threading.Thread(target=stranger.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield stranger
    finally:
        stranger.shutdown()
        thread.join()
        stranger.server_close()


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "Https"])
def test_the_key_is_for_nobody_who_shows_no_certificate_of_a_known_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    certified = signed(authority(tmp_path, "of nobody"), tmp_path, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified.certificate, certified.key)
    stranger = Stranger()
    stranger.socket = context.wrap_socket(stranger.socket, server_side=True)
    monkeypatch.setenv("BOBR_KEY", "bobr_ops_secret")
    monkeypatch.setenv("BOBR_URL", f"{scheme}://{stranger.address}")
    with (
        serving(stranger),
        pytest.raises(UnavailableError, match="BOBR_CA names the file"),
    ):
        addresses(tmp_path)
    assert not stranger.heard


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/", "is set, but empty"),
        (" // ", "is set, but empty"),
        ("ftp://localhost", "begins with http:// or https://"),
        ("http://ann:hunter2@localhost:1", "has a user or a password in it"),
        ("ann:hun/ter2@localhost", "has a user or a password in it"),
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, why: str
) -> None:
    """No other system is meant, such as the one in the data folder."""
    monkeypatch.setenv("BOBR_URL", url)
    with pytest.raises(MisconfiguredError, match=why) as caught:
        addresses(tmp_path)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "told", ["<html>\n<b>Welcome</b>", "[]", "{}", '{"control": 7}', "null", "\x1b[2J"]
)
def test_who_has_no_addresses_is_no_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    with serving(Stranger(told=told)) as stranger:
        monkeypatch.setenv("BOBR_URL", stranger.address)
        with pytest.raises(UnavailableError) as caught:
            addresses(tmp_path)
    assert f"no Bobr answers there: the answer was 200, {told!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, "<html>\nWelcome</html>"),
        (200, "[]"),
        (302, ""),
        (401, "who are you?"),
        (502, '{"error": "bad gateway"}'),
        (502, '{"error": {"code": 5}}'),
        (502, '{"error": {"message": 5}}'),
        (502, '{"error": {"message": "x", "problems": [1]}}'),
        (502, '{"error": {"message": "x", "problems": {"a": 1}}}'),
        (502, "[]"),
        (503, "upstream connect error"),
    ],
)
def test_what_a_proxy_says_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, text: str
) -> None:
    with serving(Stranger(status, text)) as stranger:
        monkeypatch.setenv("BOBR_URL", stranger.address)
        with controller(tmp_path) as system, pytest.raises(UnavailableError) as caught:
            system.get("/v1/status", TIMEOUT_SECONDS)
    assert f"http://{stranger.address} is not Bobr's controller" in str(caught.value)
    assert f"the answer was {status}, {text!r}" in str(caught.value)


def test_what_the_controller_says_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Stranger(404, '{"error": {"message": "no `stream`"}}')) as stranger:
        monkeypatch.setenv("BOBR_URL", stranger.address)
        with (
            controller(tmp_path, {"stream": "--stream"}) as system,
            pytest.raises(BobrError, match=r"^no --stream$"),
        ):
            system.get("/v1/status", TIMEOUT_SECONDS)


def test_what_is_no_utf_8_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Stranger()) as stranger:
        monkeypatch.setenv("BOBR_URL", stranger.address)
        with controller(tmp_path) as system, pytest.raises(RejectedError, match="is not UTF-8"):
            system.post("/v1/validate", {"conf\udcff/bobr.yaml": "x"})


def test_a_port_that_is_forwarded_alone_leads_to_no_other_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may listen here, too, on the number that the system's controller has where it runs."""
    told = {"http": "0.0.0.0:7070", "control": "0.0.0.0:7072", "lake": "/lake"}  # as it is told
    with serving(Stranger(told=json.dumps(told))) as stranger:
        monkeypatch.setenv("BOBR_URL", stranger.address)
        assert addresses(tmp_path) == {"http": stranger.address, "lake": "/lake"}
        with pytest.raises(MisconfiguredError, match="forward the controller's port"):
            controller(tmp_path).__enter__()
