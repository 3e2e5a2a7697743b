"""The controller's API over gRPC beside HTTP, on one system: the same is asked, the same is answered."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import grpc
import httpx2
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from bobr.catalog.keys import digest, id_of
from bobr.testing.system import System, running_system
from bobr.v1 import configuration_pb2 as wire

ROOT = Path(__file__).parents[2]
SERVICE = wire.DESCRIPTOR.services_by_name["Configuration"]
PROTO = 'syntax = "proto3"; package s; message Order { string event_id = 1; int32 n = 2; }'
Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came, whichever way: JSON, or why not."""

    code: grpc.StatusCode
    content: Any


class Way(Protocol):
    """Calls."""

    def call(self, rpc: str, members: Members) -> Answer:
        """One, with the members of its request."""
        ...


PATHS = {
    "GetCatalog": "GET /v1/catalog",
    "Validate": "POST /v1/validate *",
    "Plan": "POST /v1/plan *",
    "Apply": "POST /v1/apply *",
    "Rollback": "POST /v1/rollback *",
    "ListRevisions": "GET /v1/revisions",
    "GetRevision": "GET /v1/revisions/{revision}",
    "Diff": "GET /v1/revisions/{before}/diff/{after}",
    "PutStream": "PUT /v1/streams/{name} stream",
    "DeleteStream": "DELETE /v1/streams/{name}",
    "PutRoute": "PUT /v1/routes/{name} route",
    "DeleteRoute": "DELETE /v1/routes/{name}",
    "PutDelivery": "PUT /v1/deliveries/{name} delivery",
    "DeleteDelivery": "DELETE /v1/deliveries/{name}",
    "PutDestination": "PUT /v1/destinations/{name} destination",
    "DeleteDestination": "DELETE /v1/destinations/{name}",
    "PutPrincipal": "PUT /v1/principals/{name} principal",
    "DeletePrincipal": "DELETE /v1/principals/{name}",
    "AddKey": "POST /v1/principals/{name}/keys key",
    "RevokeKey": "DELETE /v1/principals/{name}/keys/{key}",
    "PauseDelivery": "POST /v1/deliveries/{name}/pause",
    "ResumeDelivery": "POST /v1/deliveries/{name}/resume",
    "ListStreams": "GET /v1/streams",
    "GetStream": "GET /v1/streams/{name}",
    "ListDeliveries": "GET /v1/deliveries",
    "GetDelivery": "GET /v1/deliveries/{name}",
}
"""Over HTTP: method, path, and the member that is the body; the others are the query."""
CODES = {
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
}


class Http:
    """JSON."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def call(self, rpc: str, members: Members) -> Answer:
        method, path, *body = PATHS[rpc].split(" ")
        named = re.findall(r"{(\w+)}", path)
        others = {name: value for name, value in members.items() if name not in named}
        content = None
        if body:
            content = others if body == ["*"] else others.pop(body[0])
        answer = self._client.request(
            method,
            path.format(**members),
            content=None if content is None else json.dumps(content),
            params=others if body != ["*"] else {},
        )
        if answer.status_code == 200:
            return Answer(code=grpc.StatusCode.OK, content=answer.json())
        error = answer.json()["error"]
        is_conflict = answer.status_code == 409 and "problems" not in error
        code = grpc.StatusCode.ABORTED if is_conflict else CODES[answer.status_code]
        return Answer(code=code, content={"problems": [], **error})


class Grpc:
    """Messages, and their JSON."""

    def __init__(self, channel: grpc.Channel, key: str = "") -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()

    def call(self, rpc: str, members: Members) -> Answer:
        method = SERVICE.methods_by_name[rpc]
        request = ParseDict(dict(members), GetMessageClass(method.input_type)())
        answer = GetMessageClass(method.output_type)
        calling = self._channel.unary_unary(
            f"/{SERVICE.full_name}/{rpc}", lambda each: each.SerializeToString(), answer.FromString
        )
        try:
            called = calling(request, metadata=self._metadata, timeout=60)
            return Answer(code=grpc.StatusCode.OK, content=as_json(called))
        except grpc.RpcError as error:
            call = cast(grpc.Call, error)
            return Answer(code=call.code(), content=_refusal(call))


def _refusal(error: grpc.Call) -> Members:
    told = wire.Problems()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = Status.FromString(value)
            assert (status.code, status.message) == (error.code().value[0], error.details())
            assert status.details[0].Unpack(told)
    assert told.untold == 0
    return {"problems": as_json(told)["problems"], "message": error.details()}


def as_json(message: Message) -> dict[str, Any]:
    """The JSON of a message, with null where nothing is set: as the description of HTTP's JSON has it."""
    found: dict[str, Any] = MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        unquote_int64_if_possible=True,
    )
    _put_nulls(message, found)
    return found


def _put_nulls(message: Message, found: dict[str, Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and not message.HasField(field.name):
            found[field.name] = None
        elif field.message_type is None or field.message_type.full_name.startswith("google."):
            continue
        elif field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key, inner in value.items():
                    _put_nulls(inner, found[field.name][str(key)])
        elif field.is_repeated:
            for at, inner in enumerate(value):
                _put_nulls(inner, found[field.name][at])
        else:
            _put_nulls(value, found[field.name])


@pytest.fixture(scope="module")
def channel(system: System) -> Iterator[grpc.Channel]:
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(system.addresses["control_grpc"], options) as channel:
        yield channel


@pytest.fixture(scope="module")
def http(system: System) -> Iterator[Http]:
    url = f"http://{system.addresses['control']}"
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield Http(client)


def bundle(name: str, retention: str = "7d") -> Members:
    lines = [f"owner: {name}-files", "streams:"]
    lines += [f"  {name}-of-files: {{proto: o.proto, retention: {retention}, key: n}}"]
    return {
        "files": {"bobr.yaml": "\n".join(lines)},
        "protos": {"o.proto": {"main": "o.proto", "files": {"o.proto": "o.proto"}}},
        "texts": {"o.proto": PROTO},
    }


STREAM = {"proto": "o.proto", "files": {"o.proto": PROTO}, "retention": "2d", "partitions": 1}
Step = tuple[str, Callable[[str], Members]]
CHANGES: Sequence[Step] = (
    ("Validate", lambda name: {"bundle": bundle(name)}),
    ("Validate", lambda name: {"bundle": bundle(name, retention="7")}),
    ("Plan", lambda name: {"bundle": bundle(name), "consent": {"allow_delete": True}}),
    ("Apply", lambda name: {"bundle": bundle(name), "message": "why", "author": "ann"}),
    ("Apply", lambda name: {"bundle": bundle(name, "1d"), "source": "git", "canary": 1}),
    ("Apply", lambda name: {"bundle": bundle(name, "3")}),
    ("Apply", lambda _: {"bundle": {"files": {}}, "wait_seconds": 600.5}),
    ("Apply", lambda _: {}),
    ("PutStream", lambda name: {"name": name, "stream": STREAM, "author": "ann", "message": "m"}),
    ("PutStream", lambda name: {"name": name, "stream": STREAM}),
    ("PutStream", lambda name: {"name": name, "stream": {**STREAM, "event_bytes_max": 1 << 30}}),
    ("PutStream", lambda name: {"name": name, "stream": {**STREAM, "files": {"o.proto": "?"}}}),
    ("PutStream", lambda name: {"name": f"{name}-of-files", "stream": STREAM}),
    ("PutStream", lambda name: {"name": f"{name}-of-files", "stream": STREAM, "take_over": True}),
    ("PutDestination", lambda name: {"name": f"{name}-dest", "destination": {"kind": "iceberg"}}),
    ("PutDestination", lambda name: {"name": f"{name}-dest", "destination": {"kind": "hive"}}),
    ("PutDelivery", lambda name: {"name": f"{name}-lake", "delivery": delivery(name)}),
    ("PutDelivery", lambda name: {"name": f"{name}-lake", "delivery": delivery(name, dedup="2h")}),
    ("PutDelivery", lambda name: {"name": f"{name}-lake", "delivery": delivery(name, dedup="2")}),
    ("PutDelivery", lambda name: {"name": f"{name}-none", "delivery": {}}),
    ("PauseDelivery", lambda name: {"name": f"{name}-lake", "message": "disk"}),
    ("ResumeDelivery", lambda name: {"name": f"{name}-lake"}),
    ("PauseDelivery", lambda name: {"name": f"{name}-none"}),
    ("PutRoute", lambda name: {"name": f"{name}-route", "route": {"from": [name], "to": name}}),
    ("DeleteRoute", lambda name: {"name": f"{name}-route"}),
    ("DeleteStream", lambda name: {"name": name}),
    ("DeleteDelivery", lambda name: {"name": f"{name}-lake"}),
    ("DeleteStream", lambda name: {"name": name, "author": "ann"}),
    ("DeleteDestination", lambda name: {"name": f"{name}-dest"}),
    ("PutPrincipal", lambda name: {"name": f"{name}-p", "principal": {"read": [name]}}),
    ("PutPrincipal", lambda name: {"name": f"{name}-p", "principal": {"read": ["*s"]}}),
    ("PutPrincipal", lambda name: {"name": f"{name}-p", "principal": {"bytes_per_second": 0.0}}),
    ("AddKey", lambda name: {"name": f"{name}-p", "key": {"sha256": name}}),
    ("AddKey", lambda name: {"name": f"{name}-p", "key": {}}),
    ("RevokeKey", lambda name: {"name": f"{name}-p", "key": "01234567"}),
    ("DeletePrincipal", lambda name: {"name": f"{name}-p"}),
)
"""What a user does under a name of their own, and what they are told."""


def delivery(name: str, **members: str) -> Members:
    return {"from": name, "table": name, **members}


@pytest.fixture(scope="module")
def told(http: Http, channel: grpc.Channel) -> Mapping[str, Sequence[Answer]]:
    """The answers to all changes, by the name under which they were made."""
    ways: Mapping[str, Way] = {"by_http": http, "by_grpc": Grpc(channel)}
    return {name: [way.call(rpc, ask(name)) for rpc, ask in CHANGES] for name, way in ways.items()}


@pytest.mark.parametrize(
    "at", range(len(CHANGES)), ids=[f"{at}-{rpc}" for at, (rpc, _) in enumerate(CHANGES)]
)
def test_what_changes_something_is_answered_alike(
    at: int, told: Mapping[str, Sequence[Answer]]
) -> None:
    over_http, over_grpc = told["by_http"][at], told["by_grpc"][at]
    assert over_grpc.code is over_http.code, over_grpc.content
    assert plain(over_grpc.content) == plain(over_http.content)


def plain(content: Any) -> Any:
    """Without what is another for each change: its name and the number of its revision."""
    text = json.dumps(content, sort_keys=True)
    text = re.sub(r'"(revision|base|rolled_back)": \d+', r'"\1": 1', text)
    text = re.sub(r"schema \d+|revision \d+", "number", text)
    return json.loads(re.sub("by_http|by_grpc", "by_me", text))


READS: Sequence[tuple[str, Callable[[int], Members]]] = (
    ("GetCatalog", lambda _: {}),
    ("GetCatalog", lambda newest: {"revision": newest - 3}),
    ("GetCatalog", lambda _: {"revision": 0}),
    ("GetCatalog", lambda newest: {"revision": newest + 1000}),
    ("ListRevisions", lambda _: {}),
    ("ListRevisions", lambda newest: {"limit": 5, "before": newest}),
    ("ListRevisions", lambda _: {"limit": 0}),
    *(("GetRevision", lambda newest, at=at: {"revision": newest - at}) for at in range(25)),
    ("GetRevision", lambda newest: {"revision": newest + 1000}),
    ("Diff", lambda newest: {"before": newest - 8, "after": newest}),
    ("Diff", lambda newest: {"before": 0, "after": newest - 8}),
    ("Diff", lambda newest: {"before": newest, "after": newest + 1000}),
    ("Rollback", lambda newest: {"revision": newest}),
    ("Rollback", lambda _: {"revision": (1 << 32) - 1}),
    # What many others have changed since would be cut over gRPC, whose texts are bounded.
    ("Apply", lambda newest: {"bundle": {"files": {}}, "base": newest - 1}),
)
"""What changes nothing is answered with the same, to the letter."""


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "at", range(len(READS)), ids=[f"{at}-{rpc}" for at, (rpc, _) in enumerate(READS)]
)
def test_what_is_only_read_is_the_same(at: int, http: Http, channel: grpc.Channel) -> None:
    rpc, ask = READS[at]
    newest = http.call("GetCatalog", {}).content["revision"]
    over_http = http.call(rpc, ask(newest))
    over_grpc = Grpc(channel).call(rpc, ask(newest))
    if "message" in over_http.content:  # a query has texts, and so they are shown
        over_http.content["message"] = re.sub(r"'(\d+)'", r"\1", over_http.content["message"])
    assert over_grpc == over_http


KEYS: Sequence[Step] = (
    ("PutPrincipal", lambda name: {"name": name, "principal": principal(name)}),
    ("PutPrincipal", lambda name: {"name": name, "principal": principal(name, read=["*"])}),
    ("AddKey", lambda name: {"name": name, "key": key_of(f"{name} 2"), "author": "ann"}),
    ("AddKey", lambda name: {"name": name, "key": key_of(f"{name} 3")}),
    ("AddKey", lambda _: {"name": "none", "key": key_of("x")}),
    ("AddKey", lambda name: {"name": name, "key": {"sha256": "short"}}),
    ("RevokeKey", lambda name: {"name": name, "key": id_of(digest(f"{name} 2"))}),
    ("RevokeKey", lambda name: {"name": name, "key": id_of(digest(f"{name} 2"))}),
    ("DeletePrincipal", lambda name: {"name": name, "message": "gone"}),
)
"""What somebody does who may do everything."""


def principal(name: str, **members: object) -> Members:
    rights = {"publish": ["orders-*"], "configure": ["x-*"]}
    return {"keys": [key_of(f"{name} 1")], **rights, "events_per_second": 9.5, **members}


def key_of(text: str) -> Members:
    return {"sha256": digest(text), "created": "2026-11-29T15:04:05Z"}


def test_keys_are_changed_alike(tmp_path: Path) -> None:
    with running_system(tmp_path / "data") as system:
        key = system.ok("key", "create", "ops", "--configure", "*").out.strip()
        url, options = f"http://{system.addresses['control']}", [("grpc.enable_http_proxy", 0)]
        headers = {"authorization": f"Bearer {key}"}
        with (
            httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client,
            grpc.insecure_channel(system.addresses["control_grpc"], options) as channel,
        ):
            over_http, over_grpc = Http(client), Grpc(channel, key)
            for rpc, ask in KEYS:
                one = over_http.call(rpc, ask("by_http"))
                other = over_grpc.call(rpc, ask("by_grpc"))
                assert other.code is one.code, other.content
                assert without_digests(plain(other.content)) == without_digests(plain(one.content))
                assert over_grpc.call("GetCatalog", {}) == over_http.call("GetCatalog", {})
            history = over_grpc.call("ListRevisions", {}).content["revisions"]
    made = [(each["author"], each["source"].partition("/")[0]) for each in history[:-1]]
    assert made == [
        *[("ops", "bobr.v1.Configuration"), ("ops", "DELETE ")],
        *[("ops", "bobr.v1.Configuration"), ("ops", "DELETE ")],
        *[("ops (ann)", "bobr.v1.Configuration"), ("ops (ann)", "POST ")],
        *[("ops", "bobr.v1.Configuration"), ("ops", "PUT ")] * 2,
    ]


def without_digests(content: Any) -> Any:
    return json.loads(re.sub(r"\b[0-9a-f]{8}([0-9a-f]{56})?\b", "digest", json.dumps(content)))


LOOKS: Sequence[tuple[str, Members]] = (
    ("ListStreams", {}),
    ("ListDeliveries", {}),
    ("GetStream", {"name": "looked_at"}),
    ("GetStream", {"name": "none"}),
    ("GetDelivery", {"name": "looked_at"}),
    ("GetDelivery", {"name": "none"}),
)
MOVING = r'"(\w*_per_second|\w*_seconds|reason)": [^,}\]]+'
"""Of numbers that are others a moment later."""


@pytest.fixture(scope="module")
def looked_at(
    system: System, told: Mapping[str, Sequence[Answer]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A stream with events, all in its table."""
    assert told
    file = tmp_path_factory.mktemp("looked_at") / "o.proto"
    file.write_text(PROTO)
    system.ok("deliver", str(file), "--stream", "looked_at")
    system.ok("publish", "looked_at", "-", stdin='{"event_id": "1", "n": 1}\n{"event_id": "2"}')
    system.flush()


@pytest.mark.usefixtures("looked_at")
@pytest.mark.parametrize("at", range(len(LOOKS)), ids=[rpc for rpc, _ in LOOKS])
def test_how_things_stand_is_told_alike(at: int, http: Http, channel: grpc.Channel) -> None:
    rpc, members = LOOKS[at]
    over_http, over_grpc = http.call(rpc, members), Grpc(channel).call(rpc, members)
    assert over_grpc.code is over_http.code
    assert still(over_grpc.content) == still(over_http.content)


def still(content: Any) -> Any:
    return json.loads(re.sub(MOVING, r'"\1": "moves"', json.dumps(content)))


def test_every_call_is_made_here() -> None:
    assert set(PATHS) == set(SERVICE.methods_by_name)
    made = {rpc for rpc, _ in (*CHANGES, *READS, *KEYS, *LOOKS)}
    assert made == set(SERVICE.methods_by_name)


def test_changes_and_refusals_are_among_what_is_compared(
    told: Mapping[str, Sequence[Answer]],
) -> None:
    """Or both ways might only agree that nothing can be done."""
    answers = told["by_grpc"]
    done = {
        rpc
        for (rpc, _), answer in zip(CHANGES, answers, strict=True)
        if answer.code is grpc.StatusCode.OK and answer.content.get("changed", True)
    }
    of_keys = {rpc for rpc, _ in KEYS}  # the first of them needs an administrator
    assert done == {rpc for rpc, _ in CHANGES} - {"PutRoute", "DeleteRoute"} - of_keys
    codes = {answer.code for answer in answers}
    assert codes >= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    refused = [each for each in answers if each.code is not grpc.StatusCode.OK]
    assert any(each.content["problems"] for each in refused)


def test_a_change_for_a_revision_that_is_not_in_force_any_more_is_aborted(
    channel: grpc.Channel, told: Mapping[str, Sequence[Answer]]
) -> None:
    assert told
    answer = Grpc(channel).call("Apply", {"bundle": {"files": {}}, "base": 0})
    assert answer.code is grpc.StatusCode.ABORTED


def test_a_rollback_is_a_change_over_grpc_too(http: Http, channel: grpc.Channel) -> None:
    before = http.call("GetCatalog", {}).content
    made = Grpc(channel).call("PutDestination", {"name": "r", "destination": {"kind": "iceberg"}})
    assert made.content["changed"]
    ask = {"revision": before["revision"], "message": "oops"}
    refused = Grpc(channel).call("Rollback", ask)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each["rule"] for each in refused.content["problems"]] == ["destructive"]
    back = Grpc(channel).call("Rollback", {**ask, "allow_delete": True})
    assert (back.content["changed"], back.content["live"]) == (True, True)
    after = http.call("GetCatalog", {}).content
    assert {**after, "revision": before["revision"]} == before


def test_the_history_tells_who_called_what(
    http: Http, channel: grpc.Channel, told: Mapping[str, Sequence[Answer]]
) -> None:
    at = next(at for at, (rpc, _) in enumerate(CHANGES) if rpc == "PutStream")
    revision = told["by_grpc"][at].content["revision"]
    entry = http.call("GetRevision", {"revision": revision}).content
    said = [entry[each] for each in ("author", "address", "source", "message")]
    assert said == ["ann", "127.0.0.1", "bobr.v1.Configuration/PutStream", "m"]


def test_reflection_tells_of_what_is_public_and_how_it_is_called(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert sorted(database.get_services()) == [
        "bobr.v1.Configuration",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    described = database.FindFileContainingSymbol("bobr.v1.Configuration")
    ours = FileDescriptorProto()
    wire.DESCRIPTOR.CopyToProto(ours)
    assert described == ours


@pytest.mark.parametrize("service", ["", "bobr.v1.Configuration"])
def test_health_is_told(channel: grpc.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_the_examples_of_the_pages_do_what_they_say(tmp_path: Path) -> None:
    """On a system of their own: they have the revisions of a new one."""
    page = (ROOT / "docs/reference/grpc.md").read_text()
    script = re.search(r"^```python declare.py\n(.*?)^```\n\n```text\n(.*?)^```", page, re.M | re.S)
    protoc = re.search(r"^```sh\npython (-m grpc_tools.protoc .*?)\n```", page, re.M)
    guide = (ROOT / "docs/guides/configuration.md").read_text()
    curls = re.search(r"^```sh\n(curl .*?)^```", guide, re.M | re.S)
    assert script
    assert protoc
    assert curls
    with running_system(tmp_path / "data") as system:

        def here(text: str) -> str:
            text = text.replace("localhost:7075", system.addresses["control_grpc"])
            return text.replace("localhost:7072", system.addresses["control"])

        proto = f"-I {ROOT / 'proto/bobr/v1'}"
        _run([sys.executable, *protoc[1].replace("-I proto/bobr/v1", proto).split()], tmp_path)
        (tmp_path / "declare.py").write_text(here(script[1]))
        assert _run([sys.executable, "declare.py"], tmp_path) == script[2]
        # One command after the other, each without a proxy: this is about our ports.
        lines = _run(
            ["bash", "-ec", here(curls[1]).replace("curl ", "curl -sS --noproxy '*' -w '\\n' ")],
            tmp_path,
        )
        applied = [json.loads(line) for line in lines.splitlines()]
        assert [(each["changed"], each["live"]) for each in applied] == [(True, True)] * 2
        rows = '{"event_id": "a", "cents": 1250}'
        for stream in ("orders", "carts"):
            system.ok("publish", stream, "-", stdin=rows)
        system.flush()
        for table in ("shop.orders", "shop.carts"):
            assert system.sql(f"select cents from {table}") == [{"cents": 1250}]


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("rpc", sorted(PATHS))
@pytest.mark.parametrize("text", ["", "\0", "..", "x" * 100_000, "9" * 30, "${env:HOME}", "{"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 0.0])
def test_odd_values_are_refused_and_nothing_breaks(
    channel: grpc.Channel, rpc: str, text: str, number: float
) -> None:
    request = GetMessageClass(SERVICE.methods_by_name[rpc].input_type)()
    fill(request, text, number)
    assert code_of(channel, rpc, request.SerializeToString()) in SAID


@pytest.mark.parametrize("rpc", sorted(PATHS))
@pytest.mark.parametrize("content", [b"\xff", b"\x0a\xff", b"\x0a\x02\xc3\x28", b"\x0b" * 5_000])
def test_what_is_no_message_is_refused(channel: grpc.Channel, rpc: str, content: bytes) -> None:
    assert code_of(channel, rpc, content) is grpc.StatusCode.INVALID_ARGUMENT


SAID = (
    *(grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND),
    grpc.StatusCode.ABORTED,
)
"""Whatever is asked; anything else is a bug."""


def code_of(channel: grpc.Channel, rpc: str, content: bytes) -> grpc.StatusCode:
    try:
        channel.unary_unary(f"/{SERVICE.full_name}/{rpc}", bytes, bytes)(content, timeout=60)
    except grpc.RpcError as error:
        return cast(grpc.Call, error).code()
    return grpc.StatusCode.OK


def fill(message: Message, text: str, number: float) -> None:
    """Every field, down to the last."""
    values: Mapping[int, object] = {
        FieldDescriptor.CPPTYPE_STRING: text,
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_UINT32: (1 << 32) - 1,
        FieldDescriptor.CPPTYPE_DOUBLE: number,
    }
    for field in message.DESCRIPTOR.fields:
        there = getattr(message, field.name)
        if field.message_type is None:
            value = values[field.cpp_type]
            there.append(value) if field.is_repeated else setattr(message, field.name, value)
        elif not field.message_type.GetOptions().map_entry:
            fill(there.add() if field.is_repeated else there, text, number)
        elif field.message_type.fields_by_name["value"].message_type is None:
            there[text] = text
        else:
            fill(there[text], text, number)
