"""How a system is reached that does not know by which address."""

import pytest

from bobr.cli.reach import from_afar, from_the_same_machine

EVERYWHERE = [
    "0.0.0.0",
    "[::]",
    "127.0.0.1",
    "localhost",
]  # addresses that mean another machine elsewhere
OWN = ["10.1.2.3", "[fd00::7]", "bobr.example.org"]


def told(host: str) -> dict[str, str]:
    return {
        "http": f"{host}:7070",
        "grpc": f"{host}:7071",
        "control": f"{host}:7072",
        "relay": "127.0.0.9:7073",
        "lake": "/srv/bobr/lake",
    }


@pytest.mark.parametrize("host", [*EVERYWHERE, *OWN])
@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://10.99.1.1:7070", "10.99.1.1"),
        ("https://bobr.example.org:7070", "bobr.example.org"),
        ("http://[fd00::1]:7070", "[fd00::1]"),
        ("http://10.99.1.1:7072", "10.99.1.1"),
    ],
)
def test_from_afar_all_ports_are_where_the_first_is(host: str, url: str, there: str) -> None:
    moved = {name: told(there)[name] for name in ("http", "grpc", "control")}
    assert from_afar(told(host), url) == {**told(host), **moved}


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://localhost:17070", "localhost:17070"),
        ("https://gate.example.org", "gate.example.org:443"),
        ("http://[fd00::1]", "[fd00::1]:80"),
    ],
)
def test_nobody_calls_another_system_than_the_one_behind_a_forwarded_port(
    url: str, there: str
) -> None:
    """On the host of the URL something else may listen on the numbers that the system has where it runs."""
    for host in OWN:
        assert from_afar(told(host), url) == {**told(host), "http": there}
    for host in EVERYWHERE:
        assert from_afar(told(host), url) == {
            "http": there,
            "relay": "127.0.0.9:7073",
            "lake": "/srv/bobr/lake",
        }


@pytest.mark.parametrize(
    ("host", "there"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("[::]", "[::1]"),
        ("10.1.2.3", "10.1.2.3"),
        ("bobr.example.org", "bobr.example.org"),
    ],
)
def test_on_the_same_machine_nobody_calls_every_address(host: str, there: str) -> None:
    assert from_the_same_machine(told(host)) == told(there)
