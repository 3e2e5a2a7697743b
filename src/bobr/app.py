"""The composition root: every part, built by hand. Who wants to know what is plugged into what reads this.

`bobr up` starts each `run_` function in a process of its own (`runtime/system.py`).
"""

import socket
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from bobr.catalog import Delivery
from bobr.clock import SystemClock
from bobr.runtime.control import ControlLine, PartName
from bobr.runtime.folder import Folder
from bobr.runtime.lines import reach
from bobr.runtime.logs import keep_grpc_quiet, log_json
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

FLUSH_SECONDS = 2.0
"""One flush order takes no longer, so that the transmitter keeps talking; the controller orders again."""


def run_controller(
    directory: Path, fd: int, line_fd: int | None = None, tls: TlsFiles | None = None
) -> None:
    """Own the catalog and the registry until SIGTERM."""
    from bobr.controller.catalog_store import CatalogStore
    from bobr.controller.part import Controller
    from bobr.controller.registry import Registry, Store
    from bobr.log.sqlite import SqliteLog

    folder = Folder(root=directory)
    stop, secret = _begin("controller", folder)
    log = SqliteLog(folder.log)
    store = CatalogStore.in_file(folder.catalog)
    schemas = Store(folder.registry)
    certificates = None if tls is None else Certificates(tls)
    controller = Controller(store, Registry(schemas), log, folder, SystemClock(), secret)
    line = None if line_fd is None else socket.socket(fileno=line_fd)
    controller.start(socket.socket(fileno=fd), certificates, line)
    stop.wait()
    controller.stop()
    schemas.close()
    store.close()
    log.close()


def run_broker(
    directory: Path,
    fd: int,
    grpc: str,
    control: str,
    line_to: str | None = None,
    tls: TlsFiles | None = None,
) -> None:
    """Accept events until SIGTERM. line_to: where it reaches the controller, if not at `control`."""
    line_to = line_to or control
    keep_grpc_quiet()
    from bobr.broker.limits import Limits
    from bobr.broker.part import Broker
    from bobr.log.sqlite import SqliteLog
    from bobr.schema.source.registry import RegistryClient

    folder = Folder(root=directory)
    stop, secret = _begin("broker", folder)
    listening = socket.socket(fileno=fd)
    log = SqliteLog(folder.log)
    appender = log.appender()
    base_url, transport = reach(line_to)
    registry = RegistryClient(base_url, authorization(secret), transport)
    addresses = {
        "http": address(listening),
        "grpc": grpc,
        "control": control.split("//")[1],
        "lake": str(folder.lake.absolute()),
    }
    certificates = None if tls is None else Certificates(tls)
    broker = Broker(appender, registry.descriptors, Limits(), addresses, certificates)
    line = ControlLine(line_to, PartName.BROKER, secret, broker.apply, broker.report)
    line.start()
    if line.wait_ready(stop):
        broker.start(listening, grpc)
        stop.wait()
    broker.stop()
    appender.close()
    line.close()
    log.close()
    _say_counts(broker.report())


def run_transmitter(directory: Path, control: str) -> None:
    """Deliver streams to tables until SIGTERM. control: see `reach`."""
    from bobr.log.sqlite import SqliteLog
    from bobr.schema.source.registry import RegistryClient
    from bobr.schema.types import EventTypes
    from bobr.transmitter.part import Transmitter
    from bobr.transmitter.sinks import Sink
    from bobr.transmitter.wiring import Wiring

    folder = Folder(root=directory)
    stop, secret = _begin("transmitter", folder)
    log = SqliteLog(folder.log)
    base_url, transport = reach(control)
    registry = RegistryClient(base_url, authorization(secret), transport)
    loaded = threading.Event()

    def sink(delivery: Delivery) -> Sink:
        loaded.wait()  # modules that import each other must not be imported by two threads at once
        from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink

        return IcebergSink(IcebergConfig.in_folder(folder.lake), delivery.table)

    wiring = Wiring(
        sink=sink,
        log=log,
        types=EventTypes(registry.descriptors).get,
    )
    transmitter = Transmitter(wiring)
    line = ControlLine(
        control,
        PartName.TRANSMITTER,
        secret,
        transmitter.apply,
        transmitter.report,
        flush=lambda: transmitter.flush(FLUSH_SECONDS),
    )
    line.start()
    # A second's work, for which `bobr up` does not wait.
    import_module("bobr.transmitter.sinks.iceberg")
    loaded.set()
    stop.wait()
    line.close()
    last = transmitter.close()
    log.close()
    words = [f"{each.delivery}: {each.counts.rows:,} rows committed" for each in last]
    print("; ".join(words) or "no deliveries", flush=True)


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
