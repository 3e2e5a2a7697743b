"""Where the ports of a system are reached from here, whatever it listens on itself. Pure."""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

HTTP = "http"


def from_afar(told: Mapping[str, str], url: str) -> Mapping[str, str]:
    """Addresses that a system tells of itself, for who reached its HTTP port at that URL.

    Who listens on 0.0.0.0, behind a name, or behind a forwarded port, knows not how it is reached. What lies on the
    host of the HTTP port is reached as that is.
    """
    own = _host(told[HTTP])
    there = urlsplit(url).netloc.rpartition("@")[2]
    host = _host(there if _has_port(there) else f"{there}:0")
    return {
        name: f"{host}:{_port(each)}" if _has_port(each) and _host(each) == own else each
        for name, each in told.items()
    }


def from_the_same_machine(told: Mapping[str, str]) -> Mapping[str, str]:
    """Likewise: nobody is called at 0.0.0.0, and no certificate is for it."""
    return {name: _on_loopback(each) for name, each in told.items()}


def _on_loopback(address: str) -> str:
    if not _has_port(address):
        return address
    try:
        host = ip_address(_host(address).strip("[]"))
    except ValueError:
        return address
    if not host.is_unspecified:
        return address
    return f"{'127.0.0.1' if host.version == 4 else '[::1]'}:{_port(address)}"


def _has_port(address: str) -> bool:
    return not address.startswith("/") and _port(address).isdecimal()


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _port(address: str) -> str:
    return address.rpartition(":")[2]
