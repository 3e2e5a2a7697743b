"""Controllers in processes of their own on one database, each with a configurator and instances of a part around it.

Configurators and the instances' lines of command are in this process, and the real ones; what an instance runs
is noted.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from bobr.catalog import Catalog
from bobr.clock import SystemClock
from bobr.configurator.part import Configurator
from bobr.errors import RejectedError
from bobr.runtime.control import ControlLine
from bobr.runtime.folder import Folder, Running, take, write_running
from bobr.runtime.ports import Ports, address, take_ports
from bobr.runtime.process import SUPERVISOR
from bobr.runtime.revisions import Revisions
from bobr.runtime.rpc import Peers
from bobr.runtime.secret import SECRET, new_secret
from bobr.runtime.words import PartName
from bobr.testing.system import System
from bobr.testing.waiting import wait_until

HOST = "127.0.0.1"
INSTANCES = 2
"""Of each controller's part: the first is its canary."""
REFUSED = "refused"
"""What no instance runs: a destination whose name begins so."""
ANSWERS_SECONDS = 60.0
LOOK_SECONDS = 0.05
"""Between looks at what a controller shows."""

Body = Mapping[str, Any]


class Gate:
    """What is new is run only while it is open. Of any thread."""

    def __init__(self) -> None:
        """Open."""
        self._is_open = threading.Event()
        self._is_open.set()
        self.before: set[int] = set()
        """Revisions that stood there."""

    def pass_through(self, catalog: Catalog) -> None:
        """Wait until it is open."""
        self.before.add(catalog.revision)
        self._is_open.wait()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Until the end, or until it is opened."""
        self._is_open.clear()
        try:
            yield
        finally:
            self.open()

    def open(self) -> None:
        """Let all go on. Idempotent."""
        self._is_open.set()


class Instance:
    """Of a broker that runs nothing but notes what it was to run. ran: in that order."""

    def __init__(self, peers: Peers, folder: Path, gate: Gate) -> None:
        """`folder`: its disk."""
        self.ran: list[Catalog] = []
        self._gate = gate
        self.line = ControlLine(peers, PartName.BROKER, self._apply, dict, Revisions(folder))

    def _apply(self, catalog: Catalog, *, settled: bool) -> None:
        if not settled:
            self._gate.pass_through(catalog)
            if any(name.startswith(REFUSED) for name in catalog.destinations):
                raise RejectedError(f"this instance does not run what is {REFUSED}")
        self.ran.append(catalog)


class ControllerProcess:
    """`bobr serve controller`, always at the same places, killed and started again."""

    def __init__(self, folder: Path, url: str, secret: str, ports: Ports) -> None:
        """Not started. url: of the database of all. key: that calls are made with; empty: none."""
        self.key = ""
        self.relay = address(ports.relay)
        self._system = System(root=folder)
        self._url = url
        self._secret = secret
        self._ports = ports
        self._process: subprocess.Popen[str] | None = None
        self._client = httpx2.Client(
            base_url=f"http://{address(ports.control)}/v1/",
            limits=httpx2.Limits(max_keepalive_connections=0),  # of one that was killed, they end
            timeout=ANSWERS_SECONDS,
            trust_env=False,
        )

    def start(self) -> None:
        """Does not wait."""
        listening = self._ports.control.fileno()
        environment = {**os.environ, SECRET: self._secret, SUPERVISOR: str(os.getpid())}
        places = ("--grpc", address(self._ports.control_grpc), "--relay", self.relay)
        self._process = self._system.start(
            *("serve", "controller", "--fd", str(listening), "--catalog", self._url, *places),
            env=environment,
            pass_fds=(listening,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """SIGKILL, to its end. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """As `kill`, for good."""
        self.kill()
        self._client.close()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still, and its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def call(
        self, method: str, path: str, body: Body | None = None, *, key: str | None = None
    ) -> httpx2.Response:
        """OSError: it did not answer to its end. key: instead of its own."""
        given = key or self.key
        headers = {"authorization": f"Bearer {given}"} if given else {}
        try:
            return self._client.request(method, path, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise OSError(str(error)) from error

    def apply(self, body: Body) -> httpx2.Response | None:
        """Its answer; None: it ended before it answered."""
        try:
            return self.call("POST", "apply", body)
        except OSError:
            return None

    def told(self, path: str) -> Any:
        """What is read there. OSError: it can not be now."""
        answer = self.call("GET", path)
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            raise OSError(answer.text)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return answer.json()

    def hears_all(self) -> bool:
        """Whether its configurator and its instances speak to it."""
        spoken = [part["part"] for part in self.told("status")["parts"]]
        return sorted(spoken) == [*[PartName.BROKER] * INSTANCES, PartName.CONFIGURATOR]


class Watch:
    """Notes what controllers show, all the time. shown: each catalog once, in that order."""

    def __init__(self) -> None:
        """Until `end`."""
        self.shown: dict[ControllerProcess, list[Catalog]] = {}
        self._end = threading.Event()

    def look(self, controller: ControllerProcess) -> None:
        """Blocks."""
        shown = self.shown.setdefault(controller, [])
        while not self._end.wait(LOOK_SECONDS):
            with suppress(OSError):
                catalog = Catalog.model_validate(controller.told("catalog"))
                if not shown or shown[-1] != catalog:
                    shown.append(catalog)

    def end(self) -> None:
        """All looking."""
        self._end.set()


class Controllers:
    """From `with` to its end."""

    def __init__(self, folder: Path, url: str, count: int) -> None:
        """`folder`: of all disks. url: of an empty database."""
        self.gate = Gate()
        self.all: Sequence[ControllerProcess]
        self.instances: Mapping[ControllerProcess, Sequence[Instance]]
        self._folder = folder
        self._url = url
        self._count = count
        self._secret = new_secret()
        self._ending = ExitStack()

    def __enter__(self) -> "Controllers":
        """All run, and know of each other nothing but the database."""
        with ExitStack() as undo:
            made = [self._made(number, undo) for number in range(self._count)]
            self.instances = dict(made)
            self.all = tuple(self.instances)
            for each in self.all:
                wait_until(each.hears_all)
            self._ending = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing does."""
        self.gate.open()
        self._ending.close()

    def use_key(self, key: str) -> None:
        """From now on."""
        for each in self.all:
            each.key = key

    def _made(self, number: int, undo: ExitStack) -> tuple[ControllerProcess, Sequence[Instance]]:
        folder = self._folder / f"controller-{number}"
        undo.callback(take(Folder(root=folder)).close)
        running = Running(pid=os.getpid(), ready=True, addresses={})
        write_running(Folder(root=folder), running)
        ports = take_ports(HOST, 0)
        undo.callback(ports.close)
        controller = ControllerProcess(folder, self._url, self._secret, ports)
        controller.start()
        undo.callback(controller.close)
        peers = Peers(addresses=(controller.relay,), secret=self._secret)
        configurator = Configurator(peers, Revisions(folder / "configurator"), SystemClock())
        configurator.start(address(ports.configurator))
        undo.callback(configurator.stop)
        mine = Peers(addresses=(address(ports.configurator),), secret=self._secret)
        instances = [
            Instance(mine, folder / f"instance-{each}", self.gate) for each in range(INSTANCES)
        ]
        for each in instances:
            each.line.start()
            undo.callback(each.line.close)
        return controller, instances
