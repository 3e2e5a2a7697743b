"""Keys over a real system: every call with no key, a wrong one, one of another stream, and the right one."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from bobr.catalog.keys import digest, id_of, new_key
from bobr.controller.api import TAILS_EACH_MAX, TAILS_MAX
from bobr.testing.system import System, running_system
from bobr.testing.waiting import wait_until
from bobr.v1 import broker_pb2 as wire
from bobr.v1 import configuration_pb2

PROTO = 'syntax = "proto3"; package shop.v1; message Order { string event_id = 1; }'
CONFIGURATION = configuration_pb2.DESCRIPTOR.services_by_name["Configuration"]
EVENT = b"\n\x011"
NO_KEY, WRONG, OTHER, RIGHT = "no key", "a wrong key", "a key of another stream", "the right key"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A system with three principals: ops may do everything, orders and clicks what they are named for."""

    system: System
    keys: Mapping[str, str]

    def key(self, who: str, right: str) -> str | None:
        """right: the principal that may."""
        other = "orders" if right == "ops" else "clicks"
        keys = {WRONG: new_key("orders"), OTHER: self.keys[other], RIGHT: self.keys[right]}
        return keys.get(who)

    def send(self, to: str, method: str, path: str, key: str | None, **more: Any) -> Any:
        headers = {**authorized(key), **more.pop("headers", {})}
        url = f"http://{self.system.addresses[to]}{path}"
        with httpx2.Client(trust_env=False, timeout=60) as client:
            return client.request(method, url, headers=headers, **more)

    def ask(self, rpc: str, members: Mapping[str, Any], key: str | None) -> str:
        """A call of the controller over gRPC: its code."""
        method = CONFIGURATION.methods_by_name[rpc]
        request = ParseDict(dict(members), GetMessageClass(method.input_type)())

        def call(channel: grpc.Channel) -> object:
            way = channel.unary_unary(f"/{CONFIGURATION.full_name}/{rpc}", bytes, bytes)
            return way(request.SerializeToString(), metadata=metadata(key), timeout=60)

        return code(self, call, "control_grpc")

    def log(self, part: str) -> str:
        return (self.system.root / "logs" / f"{part}.log").read_text()


def authorized(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


def created(system: System, name: str, *options: str) -> str:
    return system.ok("key", "create", name, *options).out.strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("access")
    (folder / "shop.proto").write_text(PROTO)
    with running_system(folder / "data") as system:
        for stream in ("orders", "orders-eu", "orders-old", "orders-older", "clicks"):
            system.ok("deliver", str(folder / "shop.proto"), "--stream", stream)
        all_of = [word for right in RIGHTS for word in (right, "*")]
        ops = created(system, "ops", *all_of)
        by_ops = system.calling(BOBR_KEY=ops)
        keys = {"ops": ops}
        for name, pattern in (("orders", "orders*"), ("clicks", "clicks")):
            some = [word for right in RIGHTS for word in (right, pattern)]
            mine = [word for table in TABLES.get(name, ()) for word in ("--tables", table)]
            keys[name] = created(by_ops, name, *some, *mine)
        found = World(system=by_ops, keys=keys)
        found.send("control", "DELETE", "/v1/deliveries/orders_older", ops)
        answer = found.send("control", "PUT", "/v1/destinations/wh", ops, json=WAREHOUSE)
        assert answer.status_code == 200, answer.text
        created(by_ops, "gone")
        yield found


RIGHTS = ("--publish", "--read", "--configure")
TABLES = {"orders": ("lake/bobr.orders*", "lake/bobr.more", "lake/bobr.most")}
WAREHOUSE = {"kind": "iceberg", "warehouse": "/srv/wh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """right: who may: a principal; `any`: whoever has a key; `open`: everybody. status: for the one who may."""

    to: str
    method: str
    path: str
    right: str
    status: int = 200
    body: object = None
    headers: Mapping[str, str] | None = None

    def __str__(self) -> str:
        kind = (self.headers or {}).get("content-type", "")
        return f"{self.to} {self.method} {self.path} {kind}".strip()


def publish(kind: str, content: bytes, query: str = "") -> Call:
    return Call(
        to="http",
        method="POST",
        path=f"/v1/streams/orders/events{query}",
        right="orders",
        body=content,
        headers={"content-type": kind},
    )


def control(method: str, path: str, right: str, body: object = None, status: int = 200) -> Call:
    return Call(to="control", method=method, path=path, right=right, body=body, status=status)


SCHEMA = {"schema": PROTO, "schemaType": "PROTOBUF"}
BUNDLE, RPC_BUNDLE = (
    {
        "bundle": {
            "files": {
                "b.yaml": f"owner: {name}\ndeliveries: {{{name}: {{from: orders-eu, table: {name}}}}}\n",
            }
        }
    }
    for name in ("more", "most")
)
KEY = {"sha256": digest("of nobody")}
WISH = {"files": {"shop.proto": PROTO}, "main": "shop.proto", "stream": "orders"}
CALLS = [
    publish("application/json", b'{"event_id": "1"}'),
    publish("application/x-ndjson", b'{"event_id": "1"}\n'),
    publish("application/x-protobuf", EVENT, "?single"),
    publish("application/x-protobuf", wire.PublishRequest(events=[EVENT]).SerializeToString()),
    Call(to="http", method="GET", path="/v1/addresses", right="any"),
    Call(to="http", method="GET", path="/v1/streams/orders/events", right="any", status=405),
    Call(to="http", method="GET", path="/nowhere", right="any", status=404),
    Call(to="http", method="GET", path="/metrics", right="any"),
    Call(to="http", method="GET", path="/healthz", right="open"),
    Call(to="http", method="GET", path="/readyz", right="open"),
    control("GET", "/healthz", "open"),
    control("GET", "/", "any"),
    control("GET", "/metrics", "any"),
    control("GET", "/openapi.json", "any"),
    control("GET", "/v1/addresses", "any"),
    control("GET", "/v1/status", "any"),
    control("GET", "/v1/streams", "any"),
    control("GET", "/v1/streams/clicks", "any"),
    control("GET", "/v1/deliveries", "any"),
    control("GET", "/v1/deliveries/clicks", "any"),
    control("GET", "/v1/catalog", "any"),
    control("GET", "/v1/revisions", "any"),
    control("GET", "/v1/revisions/1", "any"),
    control("GET", "/v1/revisions/1/diff/2", "any"),
    control("GET", "/v1/streams", "any"),
    control("GET", "/v1/streams/orders", "any"),
    control("GET", "/v1/deliveries", "any"),
    control("GET", "/v1/deliveries/orders", "any"),
    control("POST", "/v1/flush", "any", {"timeout_seconds": 0}),
    control("GET", "/v1/streams/orders/events?follow=0", "orders"),
    control("GET", "/v1/streams/orders/events%0A?follow=0", "orders"),
    control("POST", "/v1/streams/orders/events", "any", status=405),
    control("POST", "/v1/validate", "any", BUNDLE),
    control("POST", "/v1/plan", "any", BUNDLE),
    control("POST", "/v1/apply", "orders", BUNDLE),
    control("POST", "/v1/deliver", "orders", WISH),
    control("PUT", "/v1/streams/orders", "orders", {"message": "shop.v1.Order", "retention": "3d"}),
    control("PUT", "/v1/routes/west", "orders", {"from": ["orders"], "to": "orders-eu"}, 422),
    control("PUT", "/v1/deliveries/orders_eu", "orders", {"from": "orders-eu", "table": "orders_eu", "flush": "7s"}),
    control("POST", "/v1/deliveries/orders_eu/pause", "orders"),
    control("POST", "/v1/deliveries/orders_eu/resume", "orders"),
    control("PUT", "/v1/destinations/wh", "ops", {**WAREHOUSE, "namespace": "x"}),
    control("PUT", "/v1/principals/late", "ops", {"read": ["orders"]}),
    control("POST", "/v1/principals/clicks/keys", "ops", KEY),
    control("DELETE", f"/v1/principals/clicks/keys/{id_of(KEY['sha256'])}", "ops"),
    control("DELETE", "/v1/deliveries/orders_old", "orders"),
    control("DELETE", "/v1/routes/east", "any", status=404),
    control("DELETE", "/v1/streams/orders-older", "orders"),
    control("DELETE", "/v1/destinations/wh", "ops"),
    control("DELETE", "/v1/principals/gone", "ops"),
    control("POST", "/v1/anything/new", "ops", status=404),
    control("GET", "/schemas/types", "any"),
    control("GET", "/schemas/ids/1", "any"),
    control("GET", "/subjects", "any"),
    control("GET", "/subjects/orders-value/versions/1", "any"),
    control("POST", "/subjects/orders-value", "any", SCHEMA),
    control("POST", "/compatibility/subjects/orders-value/versions", "any", SCHEMA),
    control("POST", "/subjects/orders-value/versions", "orders", SCHEMA),
    control("POST", "/subjects/orders-value/versions%0A", "ops", SCHEMA),
    control("POST", "/subjects/:.:orders-value/versions", "orders", SCHEMA),
    control("POST", "/subjects/orders-value%2Fshop.proto/versions", "orders", SCHEMA),
    control("POST", "/subjects/common/versions", "ops", SCHEMA),
    control("GET", "/config", "any"),
    control("PUT", "/config", "ops", {"compatibility": "BACKWARD"}),
    control("PUT", "/config/orders-value", "orders", {"compatibility": "BACKWARD"}),
    control("DELETE", "/config/orders-value", "orders"),
    control("GET", "/mode", "any"),
    control("PUT", "/mode/orders-value", "orders", {"mode": "READWRITE"}),
    control("DELETE", "/mode/orders-value", "orders"),
    control("DELETE", "/subjects/orders-value%2Fshop.proto/versions/1", "orders"),
    control("DELETE", "/subjects/common", "ops"),
]  # fmt: skip
OWN_SECRET = {("POST", "/v1/parts/{part}/watch")}


def test_every_call_asks_for_its_key(world: World) -> None:
    """In their order, all in one test: what one makes another removes."""
    for call in CALLS:
        expected = {NO_KEY: 401, WRONG: 401, OTHER: 403, RIGHT: call.status}
        if call.right == "any":
            expected[OTHER] = call.status
        if call.right == "open":
            expected = dict.fromkeys(expected, call.status)
        for who, status in expected.items():
            answer = sent(world, call, who)
            found = f"{call} with {who}: {answer.status_code} {answer.text}"
            assert answer.status_code == status, found
            if status == 401:
                assert answer.headers["www-authenticate"] == "Bearer", found
            if status in (401, 403):
                said = answer.json()
                assert said.get("message") or said["error"]["message"], found


def sent(world: World, call: Call, who: str) -> Any:
    key = world.key(who, call.right if call.right in world.keys else "orders")
    content = call.body if isinstance(call.body, bytes) else None
    body = {"content": content} if content else {"json": call.body} if call.body else {}
    return world.send(call.to, call.method, call.path, key, headers=call.headers or {}, **body)


def test_the_table_has_every_operation(world: World) -> None:
    described = world.send("control", "GET", "/openapi.json", world.keys["ops"]).json()
    operations = {
        (method.upper(), path) for path, some in described["paths"].items() for method in some
    }
    listed = [(each.method, each.path.split("?")[0].strip("/").split("/")) for each in CALLS]

    def is_listed(method: str, path: str) -> bool:
        parts = path.strip("/").split("/")
        return any(
            method == each and len(parts) == len(has) and all(
                part.startswith("{") or part == word for part, word in zip(parts, has, strict=True)
            )
            for each, has in listed
        )  # fmt: skip

    alone = {("POST", "/v1/rollback")}
    assert [each for each in operations - alone if not is_listed(*each)] == []


def published(request: bytes, key: str | None) -> Callable[[grpc.Channel], object]:
    def call(channel: grpc.Channel) -> object:
        way = channel.unary_unary("/bobr.v1.Broker/Publish", bytes, wire.PublishResponse.FromString)
        return way(request, metadata=metadata(key), timeout=30)

    return call


def streamed(request: bytes, key: str | None) -> Callable[[grpc.Channel], object]:
    def call(channel: grpc.Channel) -> object:
        way = channel.stream_stream("/bobr.v1.Broker/PublishStream", bytes, bytes)
        return list(way(iter([request]), metadata=metadata(key), timeout=30))

    return call


def reflected(key: str | None) -> Callable[[grpc.Channel], object]:
    def call(channel: grpc.Channel) -> object:
        way = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        return list(way(iter([asked]), metadata=metadata(key), timeout=30))

    return call


def metadata(key: str | None) -> tuple[tuple[str, str | bytes], ...]:
    return tuple(authorized(key).items())


def code(world: World, call: Callable[[grpc.Channel], object], port: str = "grpc") -> str:
    with grpc.insecure_channel(world.system.addresses[port]) as channel:
        try:
            call(channel)
        except grpc.RpcError as error:
            return _code(error)
    return "OK"


def _code(error: grpc.RpcError) -> str:
    assert isinstance(error, grpc.Call)
    return str(error.code().name)


REQUEST = wire.PublishRequest(stream="orders", events=[EVENT]).SerializeToString()


@pytest.mark.parametrize("way", [published, streamed])
def test_every_call_of_grpc_asks_for_its_key(
    world: World, way: Callable[[bytes, str | None], Callable[[grpc.Channel], object]]
) -> None:
    expected = {NO_KEY: "UNAUTHENTICATED", WRONG: "UNAUTHENTICATED", OTHER: "PERMISSION_DENIED"}
    for who, wanted in {**expected, RIGHT: "OK"}.items():
        assert code(world, way(REQUEST, world.key(who, "orders"))) == wanted, who


@pytest.mark.parametrize("way", [published, streamed])
def test_the_stream_that_counts_is_the_one_that_is_read(
    world: World, way: Callable[[bytes, str | None], Callable[[grpc.Channel], object]]
) -> None:
    """Of a field that stands twice in a message, protobuf reads the last; and fields may come in any order."""
    twice = wire.PublishRequest(stream="clicks").SerializeToString() + REQUEST
    late = wire.PublishRequest(events=[EVENT]).SerializeToString()
    late += wire.PublishRequest(stream="orders").SerializeToString()
    for request in (twice, late):
        assert code(world, way(request, world.keys["clicks"])) == "PERMISSION_DENIED"
        assert code(world, way(request, world.keys["orders"])) == "OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """A call of the controller over gRPC. right, code: as of `Call`."""

    rpc: str
    right: str
    members: Mapping[str, Any]
    code: str = "OK"

    def __str__(self) -> str:
        return self.rpc


def rpc(call: str, right: str, members: Mapping[str, Any] | None = None, code: str = "OK") -> Rpc:
    return Rpc(rpc=call, right=right, members=members or {}, code=code)


RPC_KEY = {"sha256": digest("of nobody, either")}
REFUSED = "INVALID_ARGUMENT"
RPCS = [
    rpc("GetCatalog", "any"),
    rpc("ListRevisions", "any"),
    rpc("GetRevision", "any", {"revision": 1}),
    rpc("Diff", "any", {"before": 1, "after": 2}),
    rpc("ListStreams", "any"),
    rpc("GetStream", "any", {"name": "orders"}),
    rpc("ListDeliveries", "any"),
    rpc("GetDelivery", "any", {"name": "orders"}),
    rpc("Validate", "any", RPC_BUNDLE),
    rpc("Plan", "any", RPC_BUNDLE),
    rpc("Apply", "orders", RPC_BUNDLE),
    rpc("PutStream", "orders", {"name": "orders-new", "stream": {"proto": "o.proto", "files": {"o.proto": PROTO}}}),
    rpc("PutRoute", "orders", {"name": "west", "route": {"from": ["orders"], "to": "orders-eu"}}, REFUSED),
    rpc("PutDelivery", "orders", {"name": "orders_new", "delivery": {"from": "orders-new", "table": "orders_new"}}),
    rpc("PauseDelivery", "orders", {"name": "orders_new"}),
    rpc("ResumeDelivery", "orders", {"name": "orders_new"}),
    rpc("PutDestination", "ops", {"name": "wh2", "destination": WAREHOUSE}),
    rpc("PutPrincipal", "ops", {"name": "later", "principal": {"read": ["orders"]}}),
    rpc("AddKey", "ops", {"name": "later", "key": RPC_KEY}),
    rpc("RevokeKey", "ops", {"name": "later", "key": id_of(RPC_KEY["sha256"])}),
    rpc("DeleteDelivery", "orders", {"name": "orders_new"}),
    rpc("DeleteRoute", "any", {"name": "east"}, "NOT_FOUND"),
    rpc("DeleteStream", "orders", {"name": "orders-new"}),
    rpc("DeleteDestination", "ops", {"name": "wh2"}),
    rpc("DeletePrincipal", "ops", {"name": "later"}),
]  # fmt: skip
"""In their order: what one makes another removes."""


def test_every_rpc_of_the_controller_asks_for_its_key(world: World) -> None:
    for each in RPCS:
        denied = each.code if each.right == "any" else "PERMISSION_DENIED"
        right = "orders" if each.right == "any" else each.right
        expected = {NO_KEY: "UNAUTHENTICATED", WRONG: "UNAUTHENTICATED", OTHER: denied}
        for who, wanted in {**expected, RIGHT: each.code}.items():
            found = world.ask(each.rpc, each.members, world.key(who, right))
            assert found == wanted, f"{each.rpc} with {who}"


def test_all_that_a_key_may_not_is_told_with_all_that_is_wrong(world: World) -> None:
    text = (
        "owner: forbidden\n"
        "destinations:\n  other: {kind: iceberg, warehouse: /srv/o}\n"
        "deliveries:\n"
        "  a: {from: orders, table: a}\n"
        "  b: {from: clicks, to: other, table: b, flush: 3x}\n"
        "  c: {from: clicks, table: clicks_too}\n"
    )
    ask = {"bundle": {"files": {"b.yaml": text}}}
    for path in ("/v1/validate", "/v1/plan"):
        answer = world.send("control", "POST", path, world.keys["clicks"], json=ask)
        found = [(each["line"], each["path"], each["rule"]) for each in answer.json()["problems"]]
        assert found == [
            (3, "destinations.other", "forbidden"),
            (5, "deliveries.a", "forbidden"),
            (5, "deliveries.a", "forbidden"),
            (6, "deliveries.b", "forbidden"),
            (6, "deliveries.b.flush", "wrong-value"),
            (7, "deliveries.c", "forbidden"),
        ]
    revision = world.send("control", "GET", "/v1/catalog", world.keys["ops"]).json()["revision"]
    text = text.replace("3x", "3s").replace("  other", "  another").replace("to: other, ", "")
    ask = {"bundle": {"files": {"b.yaml": text}}}
    refused = world.send("control", "POST", "/v1/apply", world.keys["clicks"], json=ask)
    assert refused.status_code == 403
    said = refused.json()["error"]["message"]
    assert "may not configure everything" in said
    assert "may not deliver to 'lake/bobr.a', 'lake/bobr.b', 'lake/bobr.clicks_too'" in said
    now = world.send("control", "GET", "/v1/catalog", world.keys["ops"]).json()["revision"]
    assert now == revision


def test_a_rollback_over_grpc_asks_for_what_it_touches(world: World) -> None:
    def put(stream: str, most: int) -> None:
        body = {"message": "shop.v1.Order", "event_bytes_max": most}
        assert world.ask("PutStream", {"name": stream, "stream": body}, world.keys["ops"]) == "OK"

    def back(who: str) -> str:
        return world.ask("Rollback", {"revision": now}, world.key(who, "orders"))

    now = world.send("control", "GET", "/v1/catalog", world.keys["ops"]).json()["revision"]
    put("orders", 41)
    denied = ["UNAUTHENTICATED", "UNAUTHENTICATED", "PERMISSION_DENIED"]
    assert [back(who) for who in (NO_KEY, WRONG, OTHER, RIGHT)] == [*denied, "OK"]
    put("orders", 42)
    put("clicks", 43)
    assert back(RIGHT) == "PERMISSION_DENIED", "clicks is not its own"


def test_the_table_has_every_rpc() -> None:
    assert {*(each.rpc for each in RPCS), "Rollback"} == set(CONFIGURATION.methods_by_name)


def test_each_door_has_its_own_keys(world: World) -> None:
    """Parts are heard at the relay by their secret alone, and there is nothing else."""

    def at(service: str, port: str, key: str) -> str:
        def call(channel: grpc.Channel) -> object:
            way = channel.stream_stream(f"/{service}", bytes, bytes)
            return list(way(iter([b""]), metadata=metadata(key), timeout=30))

        return code(world, call, port)

    ops, secret = world.keys["ops"], world.system.secret()
    assert at("bobr.v1.Controller/Relay", "relay", ops) == "PERMISSION_DENIED"
    assert at("bobr.v1.Controller/Relay", "control_grpc", secret) == "UNIMPLEMENTED"
    assert at("bobr.v1.Configuration/GetCatalog", "relay", ops) == "PERMISSION_DENIED"
    assert at("bobr.v1.Configuration/GetCatalog", "relay", secret) == "UNIMPLEMENTED"
    assert at("bobr.v1.Configuration/GetCatalog", "control_grpc", secret) == "OK"


@pytest.mark.parametrize("port", ["grpc", "control_grpc"])
def test_reflection_needs_a_key_and_health_does_not(world: World, port: str) -> None:
    assert code(world, reflected(None), port) == "UNAUTHENTICATED"
    assert code(world, reflected(new_key("orders")), port) == "UNAUTHENTICATED"
    assert code(world, reflected(world.keys["clicks"]), port) == "OK"

    def health(channel: grpc.Channel) -> object:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        return check(health_pb2.HealthCheckRequest(), timeout=30)

    assert code(world, health, port) == "OK"


def refusals(world: World) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for part in ("broker", "controller")
        for line in world.log(part).splitlines(keepends=True)
        if '"refused"' in line and line.endswith("}\n")
    ]


def test_refusals_are_logged_and_keys_are_not(world: World) -> None:
    wrong, clicks = new_key("orders"), world.keys["clicks"]
    unknown = ("unknown key", "anonymous", id_of(digest(wrong)))
    configure = ("may not configure", "clicks", id_of(digest(clicks)))
    wanted = {
        ("POST /v1/streams/orders/events", *unknown),
        ("POST /v1/streams/orders/events", "may not publish", *configure[1:]),
        ("PUT /v1/principals/x", *configure),
        ("bobr.v1.Configuration/PutPrincipal", *configure),
        ("bobr.v1.Configuration/GetCatalog", *unknown),
    }

    def all_are_told() -> bool:
        """At some try: of very many in a second not each has a line."""
        world.send("http", "POST", "/v1/streams/orders/events", wrong)
        world.send("http", "POST", "/v1/streams/orders/events", clicks)
        world.send("control", "PUT", "/v1/principals/x", clicks, json={})
        world.ask("PutPrincipal", {"name": "x"}, clicks)
        world.ask("GetCatalog", {}, wrong)
        words = ("call", "reason", "principal", "key")
        return wanted <= {tuple(each[word] for word in words) for each in refusals(world)}

    wait_until(all_are_told)
    assert all(each["address"] and each["call"] for each in refusals(world))
    for key in (*world.keys.values(), wrong):
        secret = key[-43:].encode()  # which may have a `_` itself
        holding = [
            path
            for path in world.system.root.rglob("*")
            if path.is_file() and secret in path.read_bytes()
        ]
        assert holding == [], "a key is kept somewhere"


def test_the_author_of_a_revision_is_the_principal(world: World) -> None:
    body, query = (
        {"message": "shop.v1.Order", "retention": "4d"},
        "?author=Ann&message=bobr_ops_" + "A" * 43,
    )
    world.send("control", "PUT", f"/v1/streams/orders{query}", world.keys["orders"], json=body)
    newest = world.send("control", "GET", "/v1/revisions?limit=1", world.keys["ops"]).json()
    assert newest["revisions"][0]["author"] == "orders (Ann)"
    assert newest["revisions"][0]["message"] == "bobr_ops_…"
    asked = {"name": "orders", "stream": {**body, "retention": "5d"}, "author": "Bob"}
    assert world.ask("PutStream", asked, world.keys["orders"]) == "OK"
    newest = world.send("control", "GET", "/v1/revisions?limit=1", world.keys["ops"]).json()
    assert newest["revisions"][0]["author"] == "orders (Bob)"
    assert newest["revisions"][0]["source"] == "bobr.v1.Configuration/PutStream"


def test_who_may_not_configure_a_stream_has_no_schema_of_it_looked_at(world: World) -> None:
    """Not even one that would change nothing."""
    body = {"message": "shop.v1.Order"}
    for who, status in (("clicks", 200), ("orders", 403), ("clicks", 200)):
        answer = world.send("control", "PUT", "/v1/streams/clicks", world.keys[who], json=body)
        assert answer.status_code == status, answer.text
    assert not answer.json()["changed"]


def test_a_rollback_asks_for_what_it_touches(world: World) -> None:
    def put(stream: str, most: int) -> None:
        body = {"message": "shop.v1.Order", "event_bytes_max": most}
        answer = world.send("control", "PUT", f"/v1/streams/{stream}", world.keys["ops"], json=body)
        assert answer.status_code == 200, answer.text

    def back(who: str) -> int:
        answer = world.send("control", "POST", "/v1/rollback", world.key(who, "orders"), json=body)
        return int(answer.status_code)

    now = world.send("control", "GET", "/v1/catalog", world.keys["ops"]).json()["revision"]
    body = {"revision": now}
    put("orders", 31)
    assert [back(who) for who in (NO_KEY, WRONG, OTHER, RIGHT)] == [401, 401, 403, 200]
    put("orders", 32)
    put("clicks", 33)
    assert back(RIGHT) == 403, "clicks is not its own"


def delivered(world: World, who: str, table: str) -> list[tuple[int, str]]:
    """Ways to have `orders` delivered to a table: what each is answered."""
    file = f"owner: more\ndeliveries: {{mine: {{from: orders, table: {table}}}}}\n"
    ways = [
        ("PUT", "/v1/deliveries/mine", {"from": "orders", "table": table}),
        ("POST", "/v1/deliver", {**WISH, "table": table}),
        ("POST", "/v1/apply", {"bundle": {"files": {"b.yaml": file}}}),
    ]
    answers = [
        world.send("control", method, path, world.keys[who], json=body)
        for method, path, body in ways
    ]
    return [(each.status_code, each.json()["error"]["message"]) for each in answers]


def test_nobody_delivers_into_the_table_of_another_delivery(world: World) -> None:
    before = world.send("control", "GET", "/v1/catalog", world.keys["ops"]).json()["revision"]
    for table in ("clicks", "bobr.clicks"):
        assert [status for status, _ in delivered(world, "ops", table)] == [422, 422, 422]
    after = world.send("control", "GET", "/v1/catalog", world.keys["ops"]).json()["revision"]
    assert after == before


def test_who_may_configure_a_stream_has_not_the_tables_that_nobody_delivers_to(
    world: World,
) -> None:
    """Such as one of a delivery that there was, whose rows are there still, or of another program."""
    ops, orders = world.keys["ops"], world.keys["orders"]
    wish = {**WISH, "stream": "payments"}
    assert world.send("control", "POST", "/v1/deliver", ops, json=wish).status_code == 200
    assert world.send("control", "DELETE", "/v1/deliveries/payments", ops).status_code == 200
    before = world.send("control", "GET", "/v1/catalog", ops).json()["revision"]
    for table in ("payments", "bobr.payments", "shop.anything"):
        for status, message in delivered(world, "orders", table):
            assert (status, "'orders' may not deliver to 'lake/" in message) == (403, True), message
    put = {"name": "mine", "delivery": {"from": "orders", "table": "payments"}}
    assert world.ask("PutDelivery", put, orders) == "PERMISSION_DENIED"
    assert world.send("control", "GET", "/v1/catalog", ops).json()["revision"] == before
    body = {"from": "orders", "table": "orders_mine"}
    answer = world.send("control", "PUT", "/v1/deliveries/mine", orders, json=body)
    assert answer.status_code == 200, "its own patterns cover that one"
    assert world.send("control", "DELETE", "/v1/deliveries/mine", orders).status_code == 200
    told = [each for each in refusals(world) if each["reason"] == "may not deliver to"]
    assert {"lake/bobr.payments", "lake/shop.anything"} <= {each["table"] for each in told}


def test_a_rollback_brings_no_revoked_key_back(world: World) -> None:
    system = world.system
    old = created(system, "back", "--read", "*")
    before = world.send("control", "GET", "/v1/status", old)
    system.ok("key", "revoke", "back", id_of(digest(old)))
    system.ok("rollback", str(before.json()["revision"]))
    assert world.send("control", "GET", "/v1/status", old).status_code == 401


def test_a_change_that_locks_all_out_is_refused(world: World) -> None:
    done = world.system.run("key", "revoke", "ops", id_of(digest(world.keys["ops"])))
    assert done.status == 2
    assert "nobody could ever change anything again" in done.err


def test_a_pattern_that_is_none_says_what_patterns_are(world: World) -> None:
    asked = world.system.run("key", "create", "odd", "--publish", "or*ders")
    assert (
        "'or*ders': * stands at the end alone: orders-* for all streams that begin so" in asked.err
    )
    answer = world.send(
        "control", "PUT", "/v1/principals/odd", world.keys["ops"], json={"read": ["*-orders"]}
    )
    assert (answer.status_code, "* stands at the end alone" in answer.text) == (422, True)


def test_who_has_lost_the_last_key_makes_another_in_the_database(
    world: World, tmp_path: Path
) -> None:
    without = world.system.calling(BOBR_KEY="")
    key = without.ok("key", "recover", "rescue").out.strip()
    wait_until(lambda: world.send("control", "GET", "/v1/status", key).status_code == 200)
    rescued = world.system.calling(BOBR_KEY=key)
    created(rescued, "made-by-rescue")
    again = without.run("key", "recover", "rescue")
    assert (again.status, "'rescue' already" in again.err) == (2, True)
    nowhere = replace(without, root=tmp_path / "nowhere").run("key", "recover", "rescue")
    assert (nowhere.status, "no system was ever started" in nowhere.err) == (2, True)


def test_of_two_who_make_one_principal_only_one_does(world: World) -> None:
    """The other's key would be dead as soon as it was printed, or the first one's, without a word."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        create = partial(world.system.run, "key", "create", "twin", "--read", "*")
        done = list(pool.map(lambda _: create(), range(4)))
    (made,) = (each for each in done if each.status == 0)
    others = [each for each in done if each is not made]
    for each in others:
        assert (each.status, each.out) == (2, "")
        words = "there is a principal 'twin' already: `bobr key rotate twin` gives it another key"
        assert words in each.err
    assert world.send("control", "GET", "/v1/status", made.out.strip()).status_code == 200
    again = {"name": "twin", "principal": {"read": ["*"]}, "create_only": True}
    assert world.ask("PutPrincipal", again, world.keys["ops"]) == "ALREADY_EXISTS"
    assert world.send("control", "GET", "/v1/status", made.out.strip()).status_code == 200


def test_who_is_declared_in_files_gets_another_key_there(world: World, tmp_path: Path) -> None:
    """`bobr key rotate` would be refused."""
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "bobr.yaml").write_text("owner: phones\nprincipals:\n  mobile: {read: ['*']}\n")
    world.system.ok("apply", str(conf))
    again = world.system.run("key", "create", "mobile", "--read", "*")
    assert (again.status, again.out) == (2, "")
    assert "'phones' declares it in files" in again.err
    assert "`bobr key create mobile --offline` makes" in again.err
    assert "rotate" not in again.err
    (conf / "bobr.yaml").write_text("owner: phones\n")
    world.system.ok("apply", str(conf), "--allow-delete")


def test_a_key_is_changed_for_another_without_a_refused_event(world: World) -> None:
    """A producer publishes all the time, and takes the new key at some moment while both are good."""
    system, stop = world.system, threading.Event()
    key = {"now": created(system, "turn", "--publish", "orders")}
    first, statuses = key["now"], []

    def produce() -> None:
        while not stop.is_set():
            answer = world.send(
                "http", "POST", "/v1/streams/orders/events", key["now"], json={"event_id": "t"}
            )
            statuses.append(answer.status_code)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        key["now"] = system.ok("key", "rotate", "turn").out.strip()
        sent = len(statuses)
        wait_until(lambda: len(statuses) > sent + 2)
        system.ok("key", "revoke", "turn", id_of(digest(first)))
        sent = len(statuses)
        wait_until(lambda: len(statuses) > sent + 2)
    finally:
        stop.set()
        producer.join()
    assert set(statuses) == {200}
    answer = world.send("http", "POST", "/v1/streams/orders/events", first, json={})
    assert answer.status_code == 401


def test_a_revoked_key_ends_what_is_open(world: World) -> None:
    """An idle PublishStream and followed tails: they end, and nobody has to send anything for that."""
    key = created(world.system, "leaving", "--publish", "orders", "--read", "orders")
    stay = threading.Event()

    def requests() -> Iterator[bytes]:
        yield REQUEST
        stay.wait(60)

    def tail() -> None:
        url = f"http://{world.system.addresses['control']}/v1/streams/orders/events"
        with httpx2.stream(
            "GET", url, headers=authorized(key), timeout=60, trust_env=False
        ) as lines:
            assert lines.status_code == 200
            opened.set()
            for _ in lines.iter_bytes():
                pass
        ended.set()

    opened, ended = threading.Event(), threading.Event()
    tailing = threading.Thread(target=tail, daemon=True)
    tailing.start()
    with grpc.insecure_channel(world.system.addresses["grpc"]) as channel:
        way = channel.stream_stream("/bobr.v1.Broker/PublishStream", bytes, bytes)
        answers = iter(way(requests(), metadata=metadata(key)))
        assert next(answers)
        assert opened.wait(60)
        line = ("tail", "orders", "--from", "beginning")
        environment = {**os.environ, "BOBR_KEY": key}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = world.system.start(*line, env=environment, **pipes)
        assert command.stdout is not None
        assert command.stdout.readline()
        world.system.ok("key", "revoke", "leaving", id_of(digest(key)))
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert _code(caught.value) == "UNAUTHENTICATED"
        stay.set()
    assert ended.wait(60)
    _, said = command.communicate(timeout=60)
    assert (command.returncode, said.count("\n")) == (2, 1), said
    assert "this key is not known here: it was revoked" in said


class Waiting:
    """A body, or messages, whose last part waits until the test says so."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        *first, last = self._parts
        yield from first
        self.has_begun.set()
        assert self.may_end.wait(60)
        yield last


def late_request(event_id: str) -> bytes:
    event = b"\n" + bytes([len(event_id)]) + event_id.encode()
    return wire.PublishRequest(stream="orders", events=[event]).SerializeToString()


def halves(body: bytes) -> Waiting:
    return Waiting(body[:5], body[5:])


LATE_BODIES: Mapping[str, Callable[[str], Waiting]] = {
    "application/json": lambda late: halves(json.dumps({"event_id": late}).encode()),
    "application/x-ndjson": lambda late: Waiting(b"\n", json.dumps({"event_id": late}).encode()),
    "application/x-protobuf": lambda late: halves(late_request(late)),
    "Publish": lambda late: Waiting(late_request(late)),
    "PublishStream": lambda late: Waiting(REQUEST, late_request(late)),
}


def sent_late(world: World, key: str, way: str, body: Waiting) -> str:
    """A call of that content type, or gRPC method: its status."""
    if "/" in way:
        path, headers = "/v1/streams/orders/events", {"content-type": way}
        answer = world.send("http", "POST", path, key, content=body, headers=headers)
        return str(answer.status_code)

    def call(channel: grpc.Channel) -> object:
        method = channel.stream_stream(f"/bobr.v1.Broker/{way}", bytes, bytes)
        return list(method(iter(body), metadata=metadata(key), timeout=60))

    return code(world, call)


@pytest.mark.parametrize("way", LATE_BODIES)
@pytest.mark.parametrize("is_taken", [False, True])
def test_what_comes_after_a_right_was_taken_is_not_stored(
    world: World, way: str, is_taken: bool
) -> None:
    """Of a call that was let in before, whose key stays good."""
    late = f"late-{way.replace('/', '-')}-{is_taken}".lower()
    key, body = created(world.system, late, "--publish", "orders"), LATE_BODIES[way](late)
    with ThreadPoolExecutor(max_workers=1) as pool:
        status = pool.submit(sent_late, world, key, way, body)
        assert body.has_begun.wait(60)
        left = ["clicks"] if is_taken else ["orders", "clicks"]
        declared = {"keys": [{"sha256": digest(key)}], "publish": left}
        path = f"/v1/principals/{late}"
        done = world.send("control", "PUT", path, world.keys["ops"], json=declared)
        assert done.json()["live"], done.text
        body.may_end.set()
        denied = "403" if "/" in way else "PERMISSION_DENIED"
        assert status.result() == (denied if is_taken else "200" if "/" in way else "OK")
    path = "/v1/streams/orders/events?from=beginning&follow=0"
    assert (late in world.send("control", "GET", path, world.keys["ops"]).text) is not is_taken


def test_tails_are_bounded_for_each_and_keep_no_change_waiting(world: World) -> None:
    names = [f"many-{number}" for number in range(TAILS_MAX // TAILS_EACH_MAX)]
    keys = [created(world.system, name, "--read", "orders") for name in (*names, "many-more")]
    url = f"http://{world.system.addresses['control']}/v1/streams/orders/events"
    with ExitStack() as opened:
        client = opened.enter_context(httpx2.Client(trust_env=False, timeout=60))

        def tail(key: str) -> httpx2.Response:
            return opened.enter_context(client.stream("GET", url, headers=authorized(key)))

        for name, key in zip(names, keys, strict=False):
            assert {tail(key).status_code for _ in range(TAILS_EACH_MAX)} == {200}
            refused = tail(key)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert f"{name!r} has 16 tails open" in refused.read().decode()
        refused = tail(keys[-1])
        assert refused.status_code == 429
        assert "there are 64 tails open" in refused.read().decode()
        world.system.ok("key", "revoke", names[0], id_of(digest(keys[0])))
        wait_until(lambda: tail(keys[-1]).status_code == 200)  # what was open of it has ended


def test_above_its_limit_a_key_is_told_when_to_come_again(world: World) -> None:
    """Over both edges together: what is accepted is never more than the time allows, and not much less."""
    rate, started = 200, time.monotonic()
    options = ("--publish", "orders", "--events-per-second", str(rate))
    key = created(world.system, "quick", *options)
    request = wire.PublishRequest(stream="orders", events=[EVENT] * 100).SerializeToString()
    accepted, refused = 0, set()
    while accepted < 3 * rate:
        answer = world.send(
            "http", "POST", "/v1/streams/orders/events", key, content=request,
            headers={"content-type": "application/x-protobuf"},
        )  # fmt: skip
        if answer.status_code == 200:
            accepted += answer.json()["accepted"]
        else:
            refused.add((answer.status_code, int(answer.headers["retry-after"]) >= 1))
        way = code(world, published(request, key))
        accepted += 100 if way == "OK" else 0
        refused |= set() if way == "OK" else {(way, True)}
    seconds = time.monotonic() - started
    assert refused == {(429, True), ("RESOURCE_EXHAUSTED", True)}
    assert accepted <= rate * (seconds + 1) + 100, (
        "a burst of one second, and the call that went over"
    )


def test_who_sends_many_is_slowed_down_by_its_limit(world: World) -> None:
    rate, count = 400, 1200
    options = ("--publish", "orders", "--events-per-second", str(rate))
    key = created(world.system, "steady", *options)
    started = time.monotonic()
    body = b'{"event_id": "n"}\n' * count
    answer = world.send(
        "http", "POST", "/v1/streams/orders/events", key, content=iter([body[:9000], body[9000:]]),
        headers={"content-type": "application/x-ndjson"},
    )  # fmt: skip
    assert answer.json()["accepted"] == count
    request = wire.PublishRequest(stream="orders", events=[EVENT] * 100).SerializeToString()
    with grpc.insecure_channel(world.system.addresses["grpc"]) as channel:
        way = channel.stream_stream("/bobr.v1.Broker/PublishStream", bytes, bytes)
        answers = list(way(iter([request] * 4), metadata=metadata(key), timeout=60))
    assert len(answers) == 4
    assert count + 300 <= rate * (time.monotonic() - started + 1), "the last 100 may be owed"


def test_what_is_no_event_counts_as_bytes(world: World) -> None:
    """Of lines: a body of blank ones is work, too."""
    rate, count = 20_000, 60_000
    key = created(world.system, "blank", "--publish", "orders", "--bytes-per-second", str(rate))
    started = time.monotonic()
    answer = world.send(
        "http", "POST", "/v1/streams/orders/events", key, content=b"\n" * count,
        headers={"content-type": "application/x-ndjson"},
    )  # fmt: skip
    assert answer.json()["accepted"] == 0
    assert count <= rate * (time.monotonic() - started + 1)


def test_it_is_open_until_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "shop.proto").write_text(PROTO)
    with running_system(tmp_path / "data", "--host", "0.0.0.0") as system:
        said = (system.root / "logs" / "up.log").read_text().splitlines()[-1]
        assert said.startswith("warning: other machines reach it, and it asks nobody for a key")
        done = system.run("status")
        assert (done.status, done.err) == (0, f"bobr: {said.removeprefix('warning: ')}\n")
        system.ok("deliver", str(tmp_path / "shop.proto"), "--stream", "orders")
        system.ok("publish", "orders", "-", stdin='{"event_id": "1"}')
        done = system.run("key", "create", "shop", "--publish", "orders")
        assert done.status == 2
        assert "no principal with a key has --configure '*'" in done.err
        assert "give it to one first [lockout]" in done.err
        assert not done.out, "a key that nobody knows is not shown"
        system.ok("publish", "orders", "-", stdin='{"event_id": "2"}')
        key = created(system, "ops", "--configure", "*", "--publish", "*")
        refused = system.run("publish", "orders", "-", stdin='{"event_id": "3"}')
        assert refused.status == 2
        assert "a key is needed" in refused.err
        (tmp_path / "key").write_text(f"{key}\n")
        by_file = system.calling(BOBR_KEY_FILE=str(tmp_path / "key"))
        assert by_file.ok("status", "--json").json()["warnings"] == []
        by_file.ok("publish", "orders", "-", stdin='{"event_id": "3"}')
        by_file.ok("flush")
        assert system.sql("select count(*) as n from orders") == [{"n": 3}]
