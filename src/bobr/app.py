"""The composition root: every part, built by hand. Who wants to know what is plugged into what reads this.

`bobr up` starts each `run_` function in a process of its own (`runtime/system.py`).
"""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.catalog import Catalog, Delivery, Destination
from bobr.catalog.references import Text, resolve
from bobr.clock import SystemClock
from bobr.errors import NotFoundError, UnavailableError
from bobr.ids import PrincipalName, SchemaId
from bobr.runtime.folder import Folder
from bobr.runtime.lines import reach
from bobr.runtime.logs import follow_log_level, keep_grpc_quiet, log_json
from bobr.runtime.memory import collect_as_usual, give_back_memory
from bobr.runtime.ports import address
from bobr.runtime.process import (
    end_on_bugs,
    end_with_parent,
    open_many_files,
    share_the_gil,
    stop_event,
)
from bobr.runtime.secret import authorization, take_secret
from bobr.runtime.tls import Certificates, TlsFiles
from bobr.runtime.words import PartName

if TYPE_CHECKING:
    from bobr.controller.catalog_store import CatalogStore
    from bobr.runtime.control import Apply

FLUSH_SECONDS = 2.0
"""One flush order takes no longer, so that the transmitter keeps talking; the controller orders again."""


STORE_SECONDS = 1.0
"""Between tries to reach the catalog's database, when the controller starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Where a part finds others. control: URL of the controller, as all know it. configurators: host:port.

    own: where this part asks the controller for schemas: see `reach`.
    """

    control: str
    own: str
    configurators: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Where the controller listens: inherited sockets, host:port for everybody's gRPC, and for configurators.

    line_fd: see `SocketFiles`.
    """

    fd: int
    grpc: str
    relay: str
    line_fd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where a part that listens to nobody else tells its metrics. fd: of an inherited socket; None: nowhere."""

    fd: int | None
    tls: TlsFiles | None

    def opened(self) -> tuple[socket.socket | None, Certificates | None]:
        """What it listens with."""
        listening = None if self.fd is None else socket.socket(fileno=self.fd)
        return listening, None if self.tls is None else Certificates(self.tls)


def run_controller(directory: Path, heard: Heard, catalog: str, tls: TlsFiles | None) -> None:
    """Own the catalog and the registry until SIGTERM. catalog: URL of its database; empty: a file in the folder."""
    keep_grpc_quiet()
    from bobr.controller.part import Controller, Places
    from bobr.controller.registry import Registry, Store
    from bobr.log.sqlite import SqliteLog

    folder = Folder(root=directory)
    stop, secret = _begin("controller", folder)
    log = SqliteLog(folder.log)
    store = _catalog_store(folder, catalog, stop)
    if store is None:
        return
    schemas = Store(folder.registry)
    controller = Controller(store, Registry(schemas), log, folder, SystemClock(), secret)
    places = Places(
        http=socket.socket(fileno=heard.fd),
        grpc=heard.grpc,
        relay=heard.relay,
        certificates=None if tls is None else Certificates(tls),
        line=None if heard.line_fd is None else socket.socket(fileno=heard.line_fd),
    )
    controller.start(places)
    stop.wait()
    controller.stop()
    schemas.close()
    store.close()
    log.close()


def _catalog_store(folder: Folder, url: str, stop: threading.Event) -> "CatalogStore | None":
    """Opened, as soon as its database answers; None: asked to stop before. The parts run what they have meanwhile."""
    from bobr.controller.catalog_store import CatalogStore

    if not url:
        return CatalogStore.in_file(folder.catalog)
    told = ""
    while True:
        try:
            return CatalogStore(resolve(Text(url)))
        except UnavailableError as error:
            if str(error) != told:
                print(f"waits: {error}", flush=True)
                told = str(error)
        if stop.wait(STORE_SECONDS):
            return None


def add_administrator(directory: Path, url: str, name: str, sha256: str, author: str) -> None:
    """Put a principal that may configure everything, with that key, in force in the catalog's database itself.

    url: of the database; empty: the file in the folder. RejectedError: there is one of that name, or no key is needed.
    NotFoundError: there is no catalog.
    """
    from bobr.controller.catalog_store import CatalogStore
    from bobr.controller.recovery import add_administrator

    folder = Folder(root=directory)
    if not url and not folder.catalog.exists():
        raise NotFoundError(f"no system was ever started in {directory}: --dir names another")
    store = CatalogStore(resolve(Text(url))) if url else CatalogStore.in_file(folder.catalog)
    with closing(store):
        add_administrator(store, PrincipalName(name), sha256, author, SystemClock())


def run_configurator(directory: Path, grpc: str, relay: str, metrics: Metrics) -> None:
    """Hand the catalog out until SIGTERM."""
    keep_grpc_quiet()
    from bobr.configurator.part import Configurator
    from bobr.runtime.access import Access
    from bobr.runtime.observed import Observed, serve_metrics
    from bobr.runtime.refusals import Refusals
    from bobr.runtime.revisions import Revisions
    from bobr.runtime.rpc import Peers

    folder = Folder(root=directory)
    stop, secret = _begin("configurator", folder)
    peers = Peers(addresses=(relay,), secret=secret)
    revisions = Revisions(folder.revisions_of("configurator"))
    configurator = Configurator(peers, revisions, SystemClock())
    observed = Observed(
        part="configurator",
        samples=configurator.samples,
        is_ready=lambda: configurator.is_ready,
        access=Access(lambda: configurator.principals, Refusals(SystemClock())),
    )
    configurator.start(grpc)
    with serve_metrics(observed, *metrics.opened()):
        stop.wait()
        configurator.stop()


def run_broker(directory: Path, fd: int, grpc: str, lines: Lines, tls: TlsFiles | None) -> None:
    """Accept events until SIGTERM."""
    keep_grpc_quiet()
    from bobr.broker.limits import Limits
    from bobr.broker.part import Broker
    from bobr.log.sqlite import SqliteLog
    from bobr.runtime.control import ControlLine
    from bobr.runtime.revisions import Revisions
    from bobr.runtime.rpc import Peers

    folder = Folder(root=directory)
    stop, secret = _begin("broker", folder)
    listening = socket.socket(fileno=fd)
    log = SqliteLog(folder.log)
    appender = log.appender()
    addresses = {
        "http": address(listening),
        "grpc": grpc,
        "control": lines.control.split("//")[1],
        "lake": str(folder.lake.absolute()),
    }
    certificates = None if tls is None else Certificates(tls)
    schemas = _schemas(folder, lines, secret)
    broker = Broker(appender, schemas, Limits(), addresses, certificates)
    line = ControlLine(
        Peers(addresses=lines.configurators, secret=secret),
        PartName.BROKER,
        at_log_level(broker.apply),
        broker.report,
        Revisions(folder.revisions_of("broker")),
    )
    line.start()
    if line.wait_ready(stop):
        broker.start(listening, grpc)
        stop.wait()
    broker.stop()
    appender.close()
    line.close()
    log.close()
    _say_counts(broker.report())


def run_transmitter(directory: Path, lines: Lines, metrics: Metrics) -> None:
    """Deliver streams to tables until SIGTERM."""
    keep_grpc_quiet()
    from bobr.log.sqlite import SqliteLog
    from bobr.runtime.access import Access
    from bobr.runtime.control import ControlLine
    from bobr.runtime.observed import Observed, serve_metrics
    from bobr.runtime.refusals import Refusals
    from bobr.runtime.revisions import Revisions
    from bobr.runtime.rpc import Peers
    from bobr.schema.types import EventTypes
    from bobr.transmitter.part import Transmitter
    from bobr.transmitter.sinks import Sink
    from bobr.transmitter.wiring import Wiring

    folder = Folder(root=directory)
    stop, secret = _begin("transmitter", folder)
    log = SqliteLog(folder.log)
    loaded = threading.Event()

    def sink(delivery: Delivery, destination: Destination) -> Sink:
        loaded.wait()  # modules that import each other must not be imported by two threads at once
        from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink

        return IcebergSink(IcebergConfig.of(destination, folder.lake), delivery.table)

    wiring = Wiring(
        sink=sink,
        log=log,
        types=EventTypes(_schemas(folder, lines, secret)).get,
    )
    transmitter = Transmitter(wiring)
    line = ControlLine(
        Peers(addresses=lines.configurators, secret=secret),
        PartName.TRANSMITTER,
        at_log_level(transmitter.apply),
        transmitter.report,
        Revisions(folder.revisions_of("transmitter")),
        flush=lambda: transmitter.flush(FLUSH_SECONDS),
    )
    observed = Observed(
        part="transmitter",
        samples=transmitter.samples,
        is_ready=lambda: transmitter.is_ready,
        access=Access(lambda: line.principals, Refusals(SystemClock())),
    )
    line.start()
    with serve_metrics(observed, *metrics.opened()):
        # A second's work, for which `bobr up` does not wait.
        import_module("bobr.transmitter.sinks.iceberg")
        loaded.set()
        stop.wait()
        line.close()
        last = transmitter.close()
    log.close()
    words = [f"{each.delivery}: {each.counts.rows:,} rows committed" for each in last]
    print("; ".join(words) or "no deliveries", flush=True)


def _schemas(folder: Folder, lines: Lines, secret: str) -> Callable[[SchemaId], FileDescriptorSet]:
    """The registry's, which is asked for each but once."""
    from bobr.schema.source.kept import KeptSchemas
    from bobr.schema.source.registry import RegistryClient

    base_url, transport = reach(lines.own)
    registry = RegistryClient(base_url, authorization(secret), transport)
    return KeptSchemas(folder.schemas, registry.descriptors).descriptors


def at_log_level(apply: "Apply") -> "Apply":
    """The same, and the log level follows the catalogs that it takes."""

    def take(catalog: Catalog, *, settled: bool) -> None:
        apply(catalog, settled=settled)
        follow_log_level(catalog)

    return take


def _begin(part: str, folder: Folder) -> tuple[threading.Event, str]:
    """What every part does first. The event is set when it is asked to stop; the secret is that of all parts."""
    secret = take_secret()
    end_with_parent()
    end_on_bugs()
    share_the_gil()
    open_many_files()
    collect_as_usual()
    give_back_memory()
    log_json(part)
    return stop_event(folder.log_of(part)), secret


def _say_counts(report: Mapping[str, Any]) -> None:
    """The last words of a broker: how many events went where."""
    streams = report["streams"].items()
    words = [
        f"{name or 'no stream'}: {counts['accepted']:,} in the log, {counts['rejected']:,} refused"
        for name, counts in streams
    ]
    print("; ".join(words) or "no events", flush=True)
