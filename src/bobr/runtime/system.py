"""A whole system on one machine: ports and folder taken, parts supervised, an end in order."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import httpx2

from bobr.errors import MisconfiguredError, UnavailableError
from bobr.runtime.folder import (
    Folder,
    Foundations,
    Hold,
    PartProcess,
    Running,
    forget_running,
    is_held,
    read_running,
    take,
    unusable,
    write_running,
)
from bobr.runtime.lines import SocketFiles, reach
from bobr.runtime.ports import METERED, SHARED, Ports, is_answered, take_ports
from bobr.runtime.process import on_signals
from bobr.runtime.secret import SECRET, authorization, new_secret
from bobr.runtime.supervisor import Plan, Supervisor
from bobr.runtime.tls import Certificates, TlsFiles

READY_SECONDS = 60.0
POLL_SECONDS = 0.02
RETELL_SECONDS = 1.0
WATCH_SECONDS = 1.0
"""So often is looked whether the folder's files are still there: what is accepted until then is lost with them."""
SERVE = (sys.executable, "-m", "bobr.cli", "serve")
Say = Callable[[str], None]


def run_system(
    folder: Folder,
    host: str,
    port: int,
    say: Say,
    metrics_port: int = 0,
    tls: TlsFiles | None = None,
) -> None:
    """Run until SIGTERM, SIGINT, SIGHUP, or a part that can not run as configured: MisconfiguredError."""
    if tls is not None:
        Certificates(tls)  # what can not be used is told before anything starts
    # Who has the folder has the ports, too, and is named for it; but for ports of others no new folder is made.
    early = None if folder.root.exists() else take_ports(host, port, metrics_port)
    hold = take(folder)
    ports = early or take_ports(host, port, metrics_port)
    forget_running(folder)  # of a system that was killed
    system = _System(folder, ports, hold, say, tls)
    on_signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), system.ask_to_stop)
    failed = system.run()
    if failed:
        raise MisconfiguredError(failed)


class _System:
    """What `run_system` keeps in hand."""

    def __init__(
        self, folder: Folder, ports: Ports, hold: Hold, say: Say, tls: TlsFiles | None
    ) -> None:
        self.stop = threading.Event()
        self._folder = folder
        self._say = say
        self._ports = ports
        self._secret = new_secret()
        self._scheme = "http" if tls is None else "https"
        self._files = None if tls is None else SocketFiles(folder.root)
        self._running = Running(
            pid=os.getpid(),
            ready=False,
            addresses={**ports.addresses(), **(self._files.addresses() if self._files else {})},
            metrics=ports.metrics_addresses(),
            certificate=None if tls is None else str(tls.certificate.absolute()),
            is_exposed=ports.are_exposed and (tls is None or tls.client_ca is None),
        )
        self._lock = threading.Lock()
        self._late = False
        self._lost: Path | None = None
        plans = self._plans(hold, tls)
        self._supervisor = Supervisor(plans, self._parts_changed, say)

    @property
    def _control(self) -> str:
        """Where the parts of this system reach the controller's API."""
        if self._files is not None:
            return self._files.control_url
        return f"http://{self._running.addresses['control']}"

    def _plans(self, hold: Hold, tls: TlsFiles | None) -> Sequence[Plan]:
        addresses, ports = self._running.addresses, self._ports
        relay, watch = addresses["relay"], addresses["configurator"]
        control = ("--control", f"{self._scheme}://{addresses['control']}")
        line = (*control, "--line", self._control, "--configurator", watch)
        secure = () if tls is None else tuple(tls.words)
        own = () if self._files is None else (self._files.control.fileno(),)
        heard = tuple(word for each in own for word in ("--line-fd", str(each)))
        http, api = ports.http.fileno(), ports.control.fileno()
        told, also = (ports.metrics[part].fileno() for part in METERED)
        grpc = ("--grpc", addresses["grpc"])
        arguments: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
            "controller": (
                (
                    "--fd",
                    str(api),
                    "--grpc",
                    addresses["control_grpc"],
                    "--relay",
                    relay,
                    *heard,
                    *secure,
                ),
                (api, *own),
            ),
            "configurator": (
                ("--grpc", watch, "--relay", relay, "--metrics-fd", str(also), *secure),
                (also,),
            ),
            "transmitter": ((*line, "--metrics-fd", str(told), *secure), (told,)),
            "broker": (("--fd", str(http), *grpc, *line, *secure), (http,)),
        }
        return [
            Plan(
                name=name,
                command=(*SERVE, name, "--dir", str(self._folder.root), *words),
                log=self._folder.log_of(name),
                descriptors=(hold.shared, *descriptors),
                environment={SECRET: self._secret},
                ends_late=name in ENDS_LATE,
            )
            for name, (words, descriptors) in arguments.items()
        ]

    def run(self) -> str | None:
        """What the part says that can not run as configured, or None after an ordinary end."""
        started = time.monotonic()
        try:
            write_running(self._folder, self._running)
        except OSError as error:
            raise unusable(self._folder, error) from error
        self._supervisor.start()
        threading.Thread(target=self._announce, args=(started,), daemon=True).start()
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        try:
            failure = self._supervisor.run(self.stop)
        finally:
            self.stop.set()
            self._ports.close()  # each part has its own: when it ends, who comes is refused, and not left in the line
            self._supervisor.stop()
            if self._files is not None:
                self._files.close()
            watching.join()
            forget_running(self._folder)
        return failure if self._lost is None else f"{self._lost} {LOST}"

    def ask_to_stop(self) -> None:
        """Called in a thread of signals."""
        self.stop.set()
        self._supervisor.wake()

    def _watch(self) -> None:
        """End when a file that the system stands on is gone; tell again where it runs when only that word is."""
        foundations = Foundations(self._folder)
        while not self.stop.wait(WATCH_SECONDS):
            self._lost = foundations.lost()
            if self._lost is not None:
                self.ask_to_stop()
            elif not self._folder.running.exists():
                with self._lock:
                    self._tell()

    def _announce(self, started: float) -> None:
        """Say where it listens, once every part answers."""
        status = _when_ready(self._control, self._ports.grpc, self._secret, self.stop)
        if status is None:
            return
        seconds = time.monotonic() - started
        self._say(f"bobr is up after {seconds:.1f} s, data in {self._folder.root}")
        for name, words in WORDS.items():
            where = self._running.addresses[name]
            self._say(f"  {words:<24} {where if SHARED[name] else f'{self._scheme}://{where}'}")
        for warning in status["warnings"]:
            self._say(f"warning: {warning}")
        self._change(ready=True)  # whoever waits for that reads what was said

    def _parts_changed(self, parts: Mapping[str, PartProcess]) -> None:
        self._change(parts=parts)

    def _change(self, **changes: object) -> None:
        with self._lock:
            self._running = replace(self._running, **changes)  # type: ignore[arg-type]  # fields of Running
            self._tell()

    def _tell(self) -> None:
        """Write it down; on a full disk later, since a system that can not tell still serves."""
        if self._late or self._wrote():
            return
        self._say(
            f"{self._folder.running} can not be written, so `bobr status` does not see changes"
        )
        self._late = True
        threading.Thread(target=self._tell_later, daemon=True).start()

    def _tell_later(self) -> None:
        while self._late and not self.stop.wait(RETELL_SECONDS):
            with self._lock:
                self._late = not self._wrote()

    def _wrote(self) -> bool:
        try:
            write_running(self._folder, self._running)
        except OSError:
            return False
        return True


ENDS_LATE = ("controller", "configurator")
"""They hear the last words of the others."""
LOST = (
    "was removed or replaced while the system ran, which ends, since what it took would be lost: "
    "put it back, or start anew with what is there"
)
WORDS = {
    "http": "events over HTTP",
    "grpc": "events over gRPC",
    "control": "controller and registry",
    "control_grpc": "controller over gRPC",
}
"""Of what people and programs call; the other ports are the parts' own."""


def _when_ready(
    control: str, grpc: socket.socket, secret: str, stop: threading.Event
) -> Mapping[str, Any] | None:
    """The status, as soon as all parts run; None: asked to stop before.

    HTTP is listened on all the time; a part that runs may not serve gRPC yet.
    """
    base_url, transport = reach(control)
    headers = {"authorization": authorization(secret)}
    with httpx2.Client(
        base_url=base_url, transport=transport, timeout=5.0, trust_env=False, headers=headers
    ) as client:
        while not stop.wait(POLL_SECONDS):
            with contextlib.suppress(httpx2.HTTPError, ValueError, OSError):
                status: Mapping[str, Any] = client.get("/v1/status").json()
                is_running = all(part["state"] == "running" for part in status["parts"])
                if is_running and is_answered(grpc):
                    return status
    return None


def start_detached(
    folder: Folder,
    host: str,
    port: int,
    say: Say,
    metrics_port: int = 0,
    tls: TlsFiles | None = None,
) -> None:
    """Start `bobr up` in a session of its own and wait until it is ready. MisconfiguredError: its own last words."""
    if not folder.root.exists():
        # It takes them itself; here a new folder is not made in vain.
        take_ports(host, port, metrics_port).close()
    where = ("--dir", str(folder.root), "--host", host, "--port", str(port))
    metrics = ("--metrics-port", str(metrics_port))
    secure = () if tls is None else tls.words
    command = (sys.executable, "-m", "bobr.cli", "up", *where, *metrics, *secure)
    words = folder.logs / f"up.{os.getpid()}.new"  # others may try to start at the same moment
    # What is not ready by now, or when Ctrl-C comes, shall not be so later, behind the user's back.
    with contextlib.ExitStack() as undoing:
        with _open_words(folder, words) as out:
            undoing.callback(words.unlink, missing_ok=True)
            first = _begin(folder, out, f"{shlex.join(command)}\n")
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
            undoing.callback(child.terminate)
        _wait_until_up(folder, child, words, first)
        undoing.pop_all()
    say(_said(words, first))
    _keep_words(folder, words)


def _wait_until_up(
    folder: Folder, child: "subprocess.Popen[bytes]", words: Path, first: int
) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while not _is_ready(folder, child.pid):
        if child.poll() is not None or time.monotonic() > give_up:
            raise MisconfiguredError(f"it did not start:\n{_said(words, first)}")
        time.sleep(POLL_SECONDS)


def _open_words(folder: Folder, words: Path) -> FileIO:
    """A file for what it says."""
    try:
        words.parent.mkdir(parents=True, exist_ok=True)
        return words.open("ab", buffering=0)
    except OSError as error:
        raise unusable(folder, error) from error


def _keep_words(folder: Folder, words: Path) -> None:
    """From now on they are in `up.log`; those of the system before are in `up.log.1`."""
    log = folder.logs / "up.log"
    with contextlib.suppress(OSError):  # they stay where they are
        if log.exists():
            log.replace(log.with_name("up.log.1"))
        words.replace(log)


def _begin(folder: Folder, out: FileIO, line: str) -> int:
    """Where its words begin. The first line finds a full disk, and takes room for the last words."""
    try:
        out.write(line.encode())
        return out.tell()
    except OSError as error:
        raise unusable(folder, error) from error


def _said(words: Path, first: int) -> str:
    return words.read_bytes()[first:].decode(errors="replace").strip()


def _is_ready(folder: Folder, pid: int) -> bool:
    try:
        running = read_running(folder)
    except UnavailableError:
        return False
    return running.pid == pid and running.ready


def stop_system(folder: Folder, timeout_seconds: float) -> None:
    """End the system that runs in the folder; UnavailableError: none does, or it did not end in time."""
    running = read_running(folder)
    try:
        os.kill(running.pid, signal.SIGTERM)
    except PermissionError as error:
        message = f"process {running.pid} is another user's: it can not be ended by you"
        raise UnavailableError(message) from error
    except ProcessLookupError:
        pass  # it ended by itself
    give_up = time.monotonic() + timeout_seconds
    while is_held(folder):
        if time.monotonic() > give_up:
            message = f"process {running.pid} has not ended after {timeout_seconds:.0f} s; it goes on ending"
            raise UnavailableError(message)
        time.sleep(POLL_SECONDS)
