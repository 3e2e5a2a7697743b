"""A whole system in a folder, driven by the real command: what end-to-end tests start, kill and ask."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bobr.runtime.folder import Folder, Running, is_held, read_running
from bobr.runtime.secret import SECRET

BOBR = (sys.executable, "-m", "bobr.cli")
COMMAND_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Its stdout as one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """`bobr` with `--dir` set, or `BOBR_DIR`; each method is a command or a signal."""

    root: Path
    by_environment: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of commands, such as the key that they call with."""

    def run(self, command: str, *arguments: str, stdin: str | None = None) -> Done:
        """Run a command to its end, whatever its exit status."""
        done = subprocess.run(
            self._line(command, *arguments),
            input=stdin,
            env={**os.environ, "BOBR_DIR": str(self.root), **self.environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Done(status=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *command: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command that goes on; `options` of Popen."""
        environment = {**options.pop("env", os.environ), "BOBR_DIR": str(self.root)}
        return subprocess.Popen(self._line(*command), text=True, env=environment, **options)

    def _line(self, *command: str) -> Sequence[str]:
        return [*BOBR, *command, *(() if self.by_environment else ("--dir", str(self.root)))]

    def start_part(self, part: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a part that nobody supervises, and that the controller hears as if it were one of its own."""
        environment = {**os.environ, SECRET: self.secret()}
        return self.start("serve", part, *arguments, env=environment, **options)

    def secret(self) -> str:
        """As the supervised parts inherited it."""
        pid = self.running.parts["transmitter"].pid
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        return next(each for each in variables if each.startswith(f"{SECRET}=")).partition("=")[2]

    def ok(self, command: str, *arguments: str, stdin: str | None = None) -> Done:
        """Run a command that must succeed."""
        done = self.run(command, *arguments, stdin=stdin)
        assert done.status == 0, f"bobr {command} ended with {done.status}: {done.err}{done.out}"
        return done

    def up(self, *options: str) -> None:
        """Start it, and return when it is ready."""
        self.ok("up", "--port", "0", "--detach", *options)

    def calling(self, **variables: str) -> "System":
        """The same system, for commands with these variables in their environment."""
        return replace(self, environment={**self.environment, **variables})

    def down(self) -> None:
        """End it well."""
        self.ok("down")

    @property
    def running(self) -> Running:
        """What the supervisor says."""
        return read_running(Folder(root=self.root))

    @property
    def addresses(self) -> Mapping[str, str]:
        """host:port of each port."""
        return self.running.addresses

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows."""
        rows: list[dict[str, Any]] = self.ok("sql", query, "--json").json()
        return rows

    def flush(self, timeout_seconds: int = 60) -> None:
        """Everything accepted so far is in the tables."""
        self.ok("flush", "--timeout", str(timeout_seconds))

    def pids(self) -> Sequence[int]:
        """Of the supervisor and every part that runs."""
        running = self.running
        return [running.pid, *(part.pid for part in running.parts.values() if part.pid)]

    def kill(self) -> None:
        """SIGKILL every process at once, and wait until none holds the folder."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # so that none sees another's death
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            _wait_gone(pid)


def _wait_gone(pid: int) -> None:
    """Wait until the kernel has taken the process down; it may stay as a zombie of whoever started it."""
    descriptor = os.pidfd_open(pid)
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


@contextmanager
def running_system(root: Path, *options: str) -> Iterator[System]:
    """A system that is up, and is taken down afterwards if it still is."""
    system = System(root=root)
    system.up(*options)
    try:
        yield system
    finally:
        if is_held(Folder(root=root)):
            system.down()
