"""A PostgreSQL of the test run's own: started in a new folder, killed and started again by tests, gone afterwards.

It needs the server's programs (Debian: `apt install postgresql`), in PATH or in /usr/lib/postgresql. The server refuses
root; root runs it as `postgres`, or as `nobody`.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

FOLDERS = Path("/usr/lib/postgresql")
"""Where Debian has them, a folder for each version."""
START_SECONDS = 60.0
PATIENCE_SECONDS = 0.02
PR_SET_PDEATHSIG = 1
SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200")
ADMINISTRATOR = "bobr"
"""Superuser; trusted without a password."""
WHO_MAY = f"host all {ADMINISTRATOR} all trust\nhost all all all scram-sha-256\n"


class MissingError(Exception):
    """The programs are not on this machine."""


class Postgres:
    """One server, at one port as long as it lives."""

    def __init__(self, programs: Path, folder: Path) -> None:
        """`folder`: empty, of whoever may run the server."""
        self._programs = programs
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def make(self) -> None:
        """The files of a new server."""
        arguments = ("--auth=trust", f"--username={ADMINISTRATOR}", "--encoding=UTF8", "--no-sync")
        subprocess.run(
            [self._programs / "initdb", *arguments, "--no-locale", self._data],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **_unprivileged(),
        )
        (self._data / "pg_hba.conf").write_text(WHO_MAY)

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for setting in SETTINGS:
            command += ["-c", setting]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  # only a system call
                **_unprivileged(),
            )
        self._wait_ready()

    def kill(self) -> None:
        """As `pg_ctl stop -m immediate`: no connection is told, nothing is written; the next start recovers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
            self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Every process of it stands still: connections are taken and stay, and nobody answers."""
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)  # first, so that it starts no more
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pids = [pid, *map(int, children)]
        for each in pids:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in pids:
                os.kill(each, signal.SIGCONT)

    def new_database(self) -> str:
        """The URL of an empty one, of the administrator."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def new_database_of_user(self, password: str) -> URL:
        """An empty one, of a user of its own who is asked for that password; the URL does not have it."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        self.execute(f"CREATE DATABASE {name} OWNER {name}")
        return self._url(name, name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """As administrator."""
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def url_of(self, database: str) -> str:
        """The URL of a database, of the administrator."""
        return self._url(ADMINISTRATOR, database).render_as_string(hide_password=False)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return ("127.0.0.1", self._port)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url(self, user: str, database: str) -> URL:
        return URL.create("postgresql", user, None, *self.address, database)

    def _wait_ready(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > give_up:
                log = (self._folder / "postgres.log").read_text()
                raise AssertionError(f"PostgreSQL does not start:\n{log[-2000:]}")
            time.sleep(PATIENCE_SECONDS)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def at_port(url: str, port: int) -> str:
    """The same database through another port of this machine."""
    return make_url(url).set(port=port).render_as_string(hide_password=False)


@contextmanager
def running_postgres(programs: Path) -> Iterator[Postgres]:
    """A server that is up."""
    folder = Path(tempfile.mkdtemp(prefix="bobr-postgres-", dir="/tmp"))
    if (user := _user()) is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = Postgres(programs, folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def find_programs() -> Path:
    """The folder of the server's programs. MissingError."""
    found = shutil.which("postgres")
    places: Sequence[Path] = (
        *([Path(found).resolve().parent] if found else []),
        *sorted(FOLDERS.glob("*/bin"), reverse=True),
    )
    for place in places:
        if all((place / name).is_file() for name in ("initdb", "postgres")):
            return place
    raise MissingError(
        f"needs PostgreSQL's initdb and postgres, which are neither in PATH nor in {FOLDERS}"
    )


def _user() -> pwd.struct_passwd | None:
    """Who runs the server; None: whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    users = {each.pw_name: each for each in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]


def _unprivileged() -> Mapping[str, Any]:
    """Options of subprocess."""
    user = _user()
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    if user is None:
        return {"env": environment}
    return {"env": environment, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _end_with_parent() -> None:
    """The kernel ends the server at once when the test run dies, however it dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
