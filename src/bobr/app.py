"""The composition root: every part, built by hand. Who wants to know what is plugged into what reads this.

`bobr up` starts each of these functions in a process of its own (`runtime/system.py`).
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bobr.runtime.control import ControlLine
from bobr.runtime.folder import Folder
from bobr.runtime.logs import log_json
from bobr.runtime.process import end_on_bugs, end_with_parent, stop_event


def run_broker(directory: Path, fd: int, grpc: str, control: str) -> None:
    """Accept events until SIGTERM."""
    from bobr.broker.limits import Limits
    from bobr.broker.part import Broker
    from bobr.log.sqlite import SqliteLog
    from bobr.schema.registry import RegistryClient

    stop = _begin("broker")
    folder = Folder(root=directory)
    log = SqliteLog(folder.log)
    appender = log.appender()
    registry = RegistryClient(control)
    broker = Broker(
        appender,
        registry.descriptors,
        Limits(),
        addresses={"http": _address(fd), "grpc": grpc, "control": control.removeprefix("http://")},
    )
    line = ControlLine(control, "broker", broker.apply, broker.report)
    line.start()
    if line.wait_ready(stop):
        broker.start(socket.socket(fileno=fd), grpc)
        stop.wait()
    broker.stop()
    appender.close()
    line.close()
    log.close()
    _last_words(broker.report())


def run_transmitter(directory: Path, control: str) -> None:
    """Deliver streams to tables until SIGTERM."""
    from bobr.log.sqlite import SqliteLog
    from bobr.schema.registry import RegistryClient

    stop = _begin("transmitter")
    del directory, control, stop, SqliteLog, RegistryClient


def run_controller(directory: Path, fd: int) -> None:
    """Own the catalog and the registry until SIGTERM."""


def _begin(part: str) -> Any:
    end_with_parent()
    end_on_bugs()
    log_json(part)
    return stop_event()


def _address(fd: int) -> str:
    with socket.socket(fileno=fd) as listening:
        host, port = listening.getsockname()[:2]
        listening.detach()
    return f"{host}:{port}"


def _last_words(report: Mapping[str, object]) -> None:
    print(report)
