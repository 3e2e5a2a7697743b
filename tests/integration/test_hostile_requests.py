"""Whatever is sent to the controller, it answers that it is wrong: never 500, and never with its end."""

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_from_bytes

import grpc
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bobr.runtime.rpc import RELAY, WATCH, Peers
from bobr.testing.system import System, running_system

SHOP = 'syntax = "proto3"; package shop.v1; message Order { string event_id = 1; }'
HUGE = 10**30
LONG = "9" * 5000

ROUTES = [
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/v1/addresses"),
    ("GET", "/v1/catalog"),
    ("GET", "/v1/status"),
    ("POST", "/v1/deliver"),
    ("POST", "/v1/flush"),
    ("GET", "/v1/streams/{}/events"),
    ("POST", "/v1/streams/{}/events"),
    ("GET", "/schemas/types"),
    ("GET", "/schemas/ids/{}"),
    ("GET", "/schemas/ids/{}/schema"),
    ("GET", "/schemas/ids/{}/subjects"),
    ("GET", "/schemas/ids/{}/versions"),
    ("GET", "/subjects"),
    ("GET", "/subjects/{}/versions"),
    ("GET", "/subjects/{}/versions/{}"),
    ("GET", "/subjects/{}/versions/{}/schema"),
    ("GET", "/subjects/{}/versions/{}/referencedby"),
    ("POST", "/subjects/{}"),
    ("POST", "/subjects/{}/versions"),
    ("DELETE", "/subjects/{}"),
    ("DELETE", "/subjects/{}/versions/{}"),
    ("POST", "/compatibility/subjects/{}/versions"),
    ("POST", "/compatibility/subjects/{}/versions/{}"),
    ("GET", "/config"),
    ("GET", "/config/{}"),
    ("PUT", "/config/{}"),
    ("DELETE", "/config/{}"),
    ("GET", "/mode"),
    ("GET", "/mode/{}"),
    ("PUT", "/mode/{}"),
    ("DELETE", "/mode/{}"),
    ("GET", "/contexts"),
    ("PATCH", "/{}"),
]
SEGMENTS = [
    *("0", "1", "-1", "latest", "orders", "orders-value", "broker", "transmitter", "."),
    *(str(1 << 31), str(1 << 32), str(1 << 63), str(1 << 64), LONG, "1e9", "NaN", "٣"),
    *("%00", "%FF", "%C3%28", "%ED%A0%80", "..%2F..%2Fetc", "a%2Fversions", ":.:x", ":*:", "%20"),
    *("x" * 300, "%F0%9F%A6%AB", "%0d%0aX:1", "{}", "%25"),
]
QUERIES = [
    *("", "limit=-1", f"limit={LONG}", f"offset={LONG}", "offset=x", "deleted=%FF", "format=%00"),
    *(f"from={1 << 63}", f"from={1 << 62}", f"from={LONG}", "from=-1", "from=٣", "limit=٣"),
    *("format=serialized", "deleted=true&permanent=true", "subjectPrefix=%FF%00", "x" * 5000),
]
TYPES = ["application/json", "text/plain", "application/x-protobuf", "", "a/b; charset=\x7f"]


def body(**members: object) -> bytes:
    return json.dumps(members).encode()


def wish(**changes: object) -> bytes:
    members: dict[str, object] = {"files": {"o.proto": SHOP}, "main": "o.proto", "stream": "o"}
    return body(**{**members, **changes})


def schema(**changes: object) -> bytes:
    return body(**{"schema": SHOP, "schemaType": "PROTOBUF", **changes})


def reference(**changes: object) -> bytes:
    members: dict[str, object] = {"name": "m.proto", "subject": "orders-value", "version": 1}
    return schema(references=[{**members, **changes}])


ODD: list[object] = [None, [], {}, True, -1, float("nan"), "x"]
NO_FILES: list[object] = [None, [], {}, {"o.proto": 1}, {"": ""}, {"../o.proto": ""}]
NO_REFERENCES: list[object] = [{}, [7], [None], [{}]]

BODIES = [
    *(b"", b"null", b"{}", b"[]", b'"x"', b"\xff\xfe", b"\x00", b"NaN", b'{"a": ' * 50_000),
    *(b"[" * 200_000, b'{"timeout_seconds": ' + LONG.encode() + b"}", b'"\\ud800"'),
    *(body(timeout_seconds=each) for each in (*ODD, float("inf"), -1e300)),
    *(wish(files=each) for each in NO_FILES),
    *(wish(files={"o.proto": each}) for each in ("\ud800", "\0", "syntax", "{" * 10_000)),
    *(wish(main=each) for each in ("", "\0", "/etc/passwd", "o.proto/x", LONG, 7)),
    *(wish(main=f"{each}.proto") for each in ("google/protobuf/timestamp", "bobr/v1/options")),
    wish(main="google/protobuf/any.proto", message="google.protobuf.Any"),
    wish(main="buf/validate/validate.proto", files={"buf/validate/validate.proto": SHOP}),
    *(wish(stream=each) for each in ("", "\0", "a/b", "..", "\ud800", LONG, None, 7)),
    *(wish(message=each) for each in ("\0", ".", "shop.v1", "shop.v1.Order.x", LONG, "\ud800")),
    *(wish(table=each) for each in ("\0", "a/b", LONG, "\ud800")),
    *(wish(event_bytes_max=each) for each in (-1, HUGE, 1.5, "many", True)),
    wish().replace(b"}", b'}, "event_bytes_max": ' + LONG.encode() + b"}", 1),
    *(wish(retention=each) for each in ("999999999d", "٣d", "-1", LONG)),
    *(schema(schema=each) for each in ("", "\0", "\ud800", "x", "AAAA", SHOP * 2, LONG)),
    *(schema(schemaType=each) for each in ("AVRO", "\0", 7, None)),
    *(schema(references=each) for each in NO_REFERENCES),
    *(reference(version=each) for each in (0, -1, -2, 1 << 32, 1 << 63, HUGE, "x", None)),
    *(reference(subject=each) for each in ("", "\0", "\ud800", "no", LONG)),
    *(reference(name=each) for each in ("", "\0", "../m.proto", "schema.proto", LONG)),
    *(body(compatibility=each) for each in ("", "\0", LONG, 7, None, "FULL")),
    *(body(mode=each) for each in ("", "\0", LONG, 7, None, "READONLY")),
    b'{"schema": ' + LONG.encode() + b"}",
]


class Controller:
    """A running one; every answer is looked at."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._client = httpx2.Client(
            base_url=f"http://{system.addresses['control']}", timeout=60, trust_env=False
        )

    def send(
        self,
        method: str,
        target: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """The status; of the answer's body the beginning is read."""
        with self._client.stream(method, target, content=content, headers=headers) as answer:
            begun = next(answer.iter_bytes(), b"")
            assert answer.status_code < 500, (method, target, content[:200], begun)
            return answer.status_code

    def say_as_part(self, method: str, content: bytes) -> grpc.StatusCode:
        """How such a call ends: to the configurator, or to the controller as one."""
        name = "configurator" if method == WATCH else "relay"
        metadata = Peers(addresses=(), secret=self._system.secret()).metadata()
        with grpc.insecure_channel(self._system.addresses[name]) as channel:
            call = channel.stream_stream(method, bytes, bytes)(
                iter([content]), metadata=metadata, timeout=60
            )
            with suppress(grpc.RpcError):
                list(call)
            code: grpc.StatusCode = call.code()
            return code

    @property
    def process(self) -> tuple[int | None, int]:
        """Its id and how often it was started again."""
        process = self._system.running.parts["controller"]
        return process.pid, process.restarts


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """Of a system of the tests' own: modes and subjects change. It is the same process at the end."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "shop.proto").write_text(SHOP)
    with running_system(Path(folder) / "data") as system:
        system.ok("deliver", str(folder / "shop.proto"), "--stream", "orders")
        controller = Controller(system)
        before = controller.process
        yield controller
        assert controller.process == before
        assert controller.send("GET", "/v1/status") == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_odd_names_and_numbers(controller: Controller, method: str, path: str) -> None:
    for segment in SEGMENTS:
        for query in QUERIES if segment in ("1", "orders", "orders-value") else ("",):
            target = path.replace("{}", segment)
            controller.send(method, f"{target}?follow=0&{query}")


@pytest.mark.parametrize(
    ("method", "path"), [each for each in ROUTES if each[0] in ("POST", "PUT")]
)
def test_odd_bodies(controller: Controller, method: str, path: str) -> None:
    for content in BODIES:
        controller.send(method, path.replace("{}", "1"), content)


@pytest.mark.parametrize("method", [WATCH, RELAY])
@pytest.mark.parametrize("content", [*BODIES, random.Random(99).randbytes(99)])
def test_odd_words_of_parts(controller: Controller, method: str, content: bytes) -> None:
    code = controller.say_as_part(method, content)
    assert code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("content_type", TYPES)
def test_odd_types_of_content(controller: Controller, content_type: str) -> None:
    for path in ("/v1/flush", "/v1/deliver", "/subjects/orders-value/versions", "/subjects/x"):
        for content in (b"{}", b"\xff", wish(stream="orders")):
            controller.send("POST", path, content, {"content-type": content_type})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda some: (
        st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=9), some, max_size=3)
    ),
    max_leaves=9,
)
WORDS = ("schema", "schemaType", "references", "files", "main", "stream", "timeout_seconds", "mode")
SENT = st.binary(max_size=60) | st.dictionaries(st.sampled_from(WORDS), JSON).map(
    lambda members: json.dumps(members).encode()
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    route=st.sampled_from(ROUTES),
    segments=st.lists(st.binary(min_size=1, max_size=20), min_size=2, max_size=2),
    query=st.binary(max_size=20),
    content=SENT,
)
def test_anything(
    controller: Controller,
    route: tuple[str, str],
    segments: list[bytes],
    query: bytes,
    content: bytes,
) -> None:
    method, path = route
    target = path.format(*(quote_from_bytes(each, safe="") for each in segments))
    controller.send(method, f"{target}?follow=0&{quote_from_bytes(query, safe='=&')}", content)
