"""Where the ports of a system are reached from here, whatever it listens on itself. Pure."""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

HTTP, CONTROL = "http", "control"
_PORTS = {"http": 80, "https": 443}


def from_afar(told: Mapping[str, str], url: str) -> Mapping[str, str]:
    """Addresses that a system tells of itself, for who reached its HTTP port at that URL.

    Who listens on 0.0.0.0, or behind a name, knows not how it is reached: what lies on the host of the HTTP port is
    reached as that is. Where that port has another number here, it is forwarded, and so may the others be: those on
    a host that only the system knows are left out, as something else may listen there. The URL may be the controller's,
    which tells the same.
    """
    there = urlsplit(url)
    host = f"[{there.hostname}]" if ":" in (there.hostname or "") else str(there.hostname)
    port = str(there.port or _PORTS[there.scheme])
    is_forwarded = port not in (_port(told[HTTP]), _port(told[CONTROL]))
    own = _host(told[CONTROL if port == _port(told[CONTROL]) else HTTP])
    found = {HTTP: f"{host}:{port}"} if is_forwarded else {}
    for name, each in told.items():
        if not _has_port(each) or _host(each) != own:
            found[name] = each
        elif name in found:
            continue
        elif not is_forwarded:
            found[name] = f"{host}:{_port(each)}"
        elif _is_routed(own):
            found[name] = each
    return found


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


def _is_routed(host: str) -> bool:
    """Whether it means the same machine from everywhere, as far as that can be known."""
    try:
        found = ip_address(host.strip("[]"))
    except ValueError:
        return host != "localhost"
    return not (found.is_unspecified or found.is_loopback)


def _has_port(address: str) -> bool:
    return not address.startswith("/") and _port(address).isdecimal()


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _port(address: str) -> str:
    return address.rpartition(":")[2]
