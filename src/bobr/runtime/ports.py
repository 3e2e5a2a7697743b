"""Ports, taken by the supervisor once and kept while parts come and go."""

import errno
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from bobr.errors import MisconfiguredError

METERED = ("transmitter", "configurator")
"""Parts that have no HTTP port but the one for their metrics."""
BACKLOG = 2048
"""Connections that wait while a part starts, or starts again."""
PROBE_SECONDS = 5.0
"""For a connection to a port of this machine: far more than a busy one needs."""
SHARED = {
    "http": False,
    "grpc": True,
    "control": False,
    "relay": True,
    "configurator": True,
    "control_grpc": True,
}
"""Ports in their order, and whether a part binds its own socket to it: gRPC can not inherit one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """http and control listen and are inherited by their part; the others, for gRPC, only keep the port for it.

    metrics: of each of `METERED`; they listen and are inherited, too.

    A port that only is bound is not safe from others who also say SO_REUSEADDR; one that listens is.
    """

    http: socket.socket
    grpc: socket.socket
    control: socket.socket
    relay: socket.socket
    configurator: socket.socket
    control_grpc: socket.socket
    metrics: Mapping[str, socket.socket]

    def addresses(self) -> Mapping[str, str]:
        """host:port of each but those of metrics, by name."""
        return {name: address(getattr(self, name)) for name in SHARED}

    def metrics_addresses(self) -> Mapping[str, str]:
        """host:port on which each part tells its metrics."""
        own = {part: address(bound) for part, bound in self.metrics.items()}
        return {"broker": address(self.http), "controller": address(self.control), **own}

    @property
    def are_exposed(self) -> bool:
        """Whether other machines may reach them."""
        found = ip_address(self.http.getsockname()[0])
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return not (mapped or found).is_loopback

    def close(self) -> None:
        """Leave them to others."""
        for bound in (*(getattr(self, name) for name in SHARED), *self.metrics.values()):
            bound.close()


def take_ports(host: str, port: int, metrics_port: int = 0) -> Ports:
    """`port` for HTTP and the next five for gRPC, controller, relay, configurator and the controller's gRPC; 0: free.

    `metrics_port` for the metrics of the first of `METERED`, and the next for the second; 0: free ones.
    MisconfiguredError: one is taken.
    """
    with ExitStack() as undo:
        taken = {
            name: undo.enter_context(_bind(host, port + at if port else 0, shared=shared))
            for at, (name, shared) in enumerate(SHARED.items())
        }
        metrics = {
            part: undo.enter_context(
                _bind(host, metrics_port + at if metrics_port else 0, shared=False)
            )
            for at, part in enumerate(METERED)
        }
        undo.pop_all()
    return Ports(**taken, metrics=metrics)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """`shared`: another socket of ours may bind the port too; a first bind without that finds who listens."""
    bound = _socket(host)
    try:
        if shared:
            with _socket(host) as probe:
                probe.bind((host, port))
                port = probe.getsockname()[1]
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        if not shared:
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        message = f"{host}:{port} can not be listened on: {error.strerror}: {_advice(error)}"
        raise MisconfiguredError(message) from error
    bound.set_inheritable(True)
    return bound


def _advice(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "choose a --host that is this machine's, such as 127.0.0.1 or 0.0.0.0"
    return "choose another --port, or 0 for free ones"


def _socket(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return bound


def address(bound: socket.socket) -> str:
    """host:port."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_answered(bound: socket.socket) -> bool:
    """Whether somebody listens on the port: ports that only are kept are their part's when it serves."""
    host, port = bound.getsockname()[:2]
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
