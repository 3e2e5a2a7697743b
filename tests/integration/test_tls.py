"""TLS on every port of a real system: who is refused, and certificates that are replaced under load."""

import ssl
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import httpx2
import pytest

from bobr.runtime.tls import client_context
from bobr.testing.certificates import Signed, authority, signed
from bobr.testing.system import System, running_system
from bobr.testing.waiting import wait_until
from bobr.v1 import broker_pb2 as wire

PROTO = 'syntax = "proto3"; package shop.v1; message Order { string event_id = 1; }'
REQUEST = wire.PublishRequest(stream="orders", events=[b"\n\x011"]).SerializeToString()
PORTS = ("http", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A system that asks for certificates which `people` signs, and shows one that `machines` signed."""

    system: System
    machines: Signed
    people: Signed
    server: Signed
    ann: Signed
    folder: Path

    def context(self, ca: Signed | None, own: Signed | None) -> ssl.SSLContext:
        return client_context(
            ca=ca.certificate if ca else None,
            certificate=own.certificate if own else None,
            key=own.key if own else None,
        )

    def channel(self, ca: Signed, own: Signed | None, port: str = "grpc") -> grpc.Channel:
        chain = (own.key.read_bytes(), own.certificate.read_bytes()) if own else (None, None)
        credentials = grpc.ssl_channel_credentials(ca.certificate.read_bytes(), *chain)
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(self.system.addresses[port], credentials, options)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tls")
    machines, people = authority(folder, "machines"), authority(folder, "people")
    server, ann = signed(machines, folder, "server"), signed(people, folder, "ann", "clientAuth")
    (folder / "shop.proto").write_text(PROTO)
    options = ("--tls-cert", str(server.certificate), "--tls-key", str(server.key))
    with running_system(
        folder / "data", *options, "--tls-client-ca", str(people.certificate)
    ) as system:
        variables = {"BOBR_CERT": str(ann.certificate), "BOBR_CERT_KEY": str(ann.key)}
        by_ann = system.calling(**variables)
        by_ann.ok("deliver", str(folder / "shop.proto"), "--stream", "orders")
        yield World(
            system=by_ann, machines=machines, people=people, server=server, ann=ann, folder=folder
        )


def publish(channel: grpc.Channel) -> None:
    channel.unary_unary("/bobr.v1.Broker/Publish", bytes, bytes)(REQUEST, timeout=10)


def read_catalog(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/bobr.v1.Configuration/GetCatalog", bytes, bytes)
    assert b"orders" in call(b"", timeout=10)


CALLS = {"grpc": publish, "control_grpc": read_catalog}
"""Of each port of gRPC."""


@pytest.mark.parametrize("port", PORTS)
def test_who_has_the_certificates_is_heard_and_nobody_else(world: World, port: str) -> None:
    address = world.system.addresses[port]
    stranger = signed(world.machines, world.folder, f"stranger-{port}", "clientAuth")

    def get(url: str, context: ssl.SSLContext | bool) -> int:
        return httpx2.get(url, verify=context, trust_env=False, timeout=10).status_code

    assert get(f"https://{address}/healthz", world.context(world.machines, world.ann)) == 200
    for what, url, context in (
        ("plain", f"http://{address}/healthz", False),
        ("no certificate", f"https://{address}/healthz", world.context(world.machines, None)),
        ("of another authority", f"https://{address}/healthz", world.context(world.machines, stranger)),
        ("who does not trust it", f"https://{address}/healthz", world.context(world.people, world.ann)),
        ("who trusts the system's", f"https://{address}/healthz", world.context(None, world.ann)),
    ):  # fmt: skip
        with pytest.raises(httpx2.TransportError):
            pytest.fail(f"{what}: {get(url, context)}")


@pytest.mark.parametrize("port", CALLS)
def test_grpc_hears_nobody_else_either(world: World, port: str) -> None:
    call = CALLS[port]
    stranger = signed(world.machines, world.folder, f"stranger-{port}", "clientAuth")
    with world.channel(world.machines, world.ann, port) as channel:
        call(channel)
    for channel in (
        grpc.insecure_channel(world.system.addresses[port]),
        world.channel(world.machines, None, port),
        world.channel(world.machines, stranger, port),
        world.channel(world.people, world.ann, port),
    ):
        with channel, pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            call(channel)


def test_old_versions_of_tls_are_not_spoken(world: World) -> None:
    for port in (*PORTS, *CALLS):
        context = world.context(world.machines, world.ann)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="is deprecated"):
            context.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="is deprecated"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        host, _, number = world.system.addresses[port].rpartition(":")
        with pytest.raises(OSError), _connected(host, int(number), context):  # noqa: PT011  # ssl.SSLError or a reset
            pass


def _connected(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    import socket

    return context.wrap_socket(socket.create_connection((host, port), 10), server_hostname=host)


def test_who_listens_everywhere_is_reached_as_its_certificate_says(tmp_path: Path) -> None:
    """It tells 0.0.0.0, for which no certificate is, and where somebody else may listen on the caller's machine."""
    machines = authority(tmp_path, "machines")
    server = signed(machines, tmp_path, "server")
    options = ("--host", "0.0.0.0", "--tls-cert", str(server.certificate))  # that is what is tried
    with running_system(tmp_path / "data", *options, "--tls-key", str(server.key)) as system:
        assert system.addresses["http"].startswith("0.0.0.0:")
        port = system.addresses["http"].rpartition(":")[2]
        trusting = system.calling(BOBR_CA=str(machines.certificate))
        assert trusting.ok("history").out
        by_name = replace(trusting, by_environment=True).calling(
            BOBR_CA=str(machines.certificate), BOBR_URL=f"https://localhost:{port}"
        )
        assert by_name.ok("history").out
        (tmp_path / "shop.proto").write_text(PROTO)
        by_name.ok("deliver", str(tmp_path / "shop.proto"), "--stream", "orders")
        by_name.ok("publish", "orders", "-", stdin='{"event_id": "c"}')


def test_commands_speak_it(world: World) -> None:
    system = world.system
    system.ok("publish", "orders", "-", stdin='{"event_id": "c"}')
    url = replace(system, by_environment=True).calling(
        BOBR_URL=f"https://{system.addresses['http']}",
        BOBR_CA=str(world.machines.certificate),
    )
    assert url.ok("status", "--json").json()["parts"]
    url.ok("publish", "orders", "-", stdin='{"event_id": "d"}')
    for wrong, advice in (
        (url.calling(BOBR_CA=str(world.people.certificate)), "BOBR_CA names"),
        (url.calling(BOBR_CERT="", BOBR_CERT_KEY=""), "BOBR_CERT and BOBR_CERT_KEY name"),
        (url.calling(BOBR_URL=f"http://{system.addresses['http']}"), "begins with https://"),
        (system.calling(BOBR_CERT="", BOBR_CERT_KEY=""), "BOBR_CERT and BOBR_CERT_KEY name"),
    ):
        done = wrong.run("history")
        assert (done.status, advice in done.err, "kill" in done.err) == (2, True, False), done.err


def test_parts_reach_each_other_where_no_network_does(world: World) -> None:
    control = Path(word_of(world.system, "--line").removeprefix("unix:"))
    assert stat.S_IMODE(control.parent.stat().st_mode) == 0o700
    transport = httpx2.HTTPTransport(uds=str(control))
    with httpx2.Client(base_url="http://controller", transport=transport) as client:
        assert client.get("/healthz").status_code == 200
    assert word_of(world.system, "--configurator").startswith("unix:")
    assert {each for each in world.system.addresses.values() if not each.startswith("unix:")} == {
        world.system.addresses[port] for port in (*PORTS, *CALLS)
    }


def word_of(system: System, option: str) -> str:
    """What the broker was started with."""
    pid = system.running.parts["broker"].pid
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return words[words.index(option) + 1]


def test_a_certificate_is_replaced_under_load_and_no_call_fails(world: World) -> None:
    """Each call has a connection of its own. The new certificate is of an authority that clients trust already."""
    new = authority(world.folder, "newer")
    both = world.folder / "both.pem"
    both.write_bytes(world.machines.certificate.read_bytes() + new.certificate.read_bytes())
    trusted = Signed(certificate=both, key=new.key)
    failed: list[str] = []
    counts = dict.fromkeys((*PORTS, *CALLS), 0)
    stop = threading.Event()

    def load(port: str) -> None:
        while not stop.is_set():
            try:
                one_call(world, port, trusted)
            except (httpx2.HTTPError, grpc.RpcError) as error:
                failed.append(f"{port}: {error}")
            counts[port] += 1

    def all_have_called(times: int) -> None:
        wanted = {port: count + times for port, count in counts.items()}
        wait_until(lambda: all(counts[port] >= wanted[port] for port in wanted))

    threads = [threading.Thread(target=load, args=(port,)) for port in counts]
    for thread in threads:
        thread.start()
    try:
        all_have_called(3)
        world.server.certificate.with_suffix(".half").write_bytes(new.certificate.read_bytes())
        world.server.certificate.with_suffix(".half").replace(world.server.certificate)
        wait_for(world, "the new certificate is not used")  # its key is not there yet
        all_have_called(3)
        world.server.replace_with(signed(new, world.folder, "second"))
        wait_until(lambda: all(issuer(world, port, trusted) == "newer" for port in counts))
        all_have_called(3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert world.system.run("status").status == 0, "who reads the folder trusts what it says"


def one_call(world: World, port: str, trusted: Signed) -> None:
    if port in CALLS:
        with world.channel(trusted, world.ann, port) as channel:
            CALLS[port](channel)
        return
    url = f"https://{world.system.addresses[port]}/healthz"
    context = world.context(trusted, world.ann)
    assert httpx2.get(url, verify=context, trust_env=False, timeout=30).status_code == 200


def issuer(world: World, port: str, trusted: Signed) -> str:
    host, _, number = world.system.addresses[port].rpartition(":")
    context = world.context(trusted, world.ann)
    if port in CALLS:
        context.set_alpn_protocols(["h2"])
    with _connected(host, int(number), context) as connection:
        shown = connection.getpeercert()
    return "newer" if "newer" in str(shown and shown["issuer"]) else "another"


def wait_for(world: World, line: str) -> None:
    logs = [world.system.root / "logs" / f"{part}.log" for part in ("broker", "controller")]
    wait_until(lambda: all(line in log.read_text() for log in logs))


def test_a_certificate_that_can_not_be_used_is_told_before_anything_starts(tmp_path: Path) -> None:
    made = authority(tmp_path, "one")
    other = authority(tmp_path, "two")
    system = System(root=tmp_path / "data")
    for words in (
        ("--tls-cert", str(made.certificate)),
        ("--tls-cert", str(made.certificate), "--tls-key", str(other.key)),
        ("--tls-cert", str(tmp_path / "none.pem"), "--tls-key", str(made.key)),
        ("--tls-client-ca", str(made.certificate)),
    ):
        done = system.run("up", "--port", "0", *words)
        assert done.status == 2, done.err
        assert "TLS needs" in done.err or "can not be used" in done.err
