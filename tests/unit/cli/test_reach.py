"""How a system is reached that does not know by which address."""

import pytest

from bobr.cli.reach import from_afar, from_the_same_machine


def told(host: str) -> dict[str, str]:
    return {
        "http": f"{host}:7070",
        "grpc": f"{host}:7071",
        "control": f"{host}:7072",
        "relay": "127.0.0.9:7073",
        "lake": "/srv/bobr/lake",
    }


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.1.2.3", "127.0.0.1"])
@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://10.99.1.1:7470", "10.99.1.1"),
        ("https://bobr.example.org", "bobr.example.org"),
        ("https://ann:pw@bobr.example.org:443", "bobr.example.org"),
        ("http://[fd00::1]:7070", "[fd00::1]"),
        ("http://[fd00::1]", "[fd00::1]"),
    ],
)
def test_from_afar_all_ports_are_where_the_first_is(host: str, url: str, there: str) -> None:
    assert from_afar(told(host), url) == {
        **told(host),
        **{name: told(there)[name] for name in ("http", "grpc", "control")},
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
