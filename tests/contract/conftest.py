"""A PostgreSQL of the run's own, that asks for passwords."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

SECRET = "pass:w@rd/%s?"
"""Of the superuser; it has what URLs do not like."""


@dataclass
class Server:
    """Listens at a socket in its folder only."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def control(self, *words: str) -> None:
        """`pg_ctl`, which waits until it is done."""
        self.run("pg_ctl", "-D", "data", "-l", "log", *words)

    def start(self) -> None:
        self.control("start", "-w", "-o", f"-k {self.folder} -c listen_addresses= -c fsync=off")

    def stop(self) -> None:
        """At once: who is connected is cut off."""
        self.control("stop", "-m", "immediate")

    def run(self, *command: str) -> None:
        """As somebody who is not root, which the server refuses to be."""
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, **user)

    def url(self, user: str, database: str) -> URL:
        """Without a password."""
        query = {"host": str(self.folder)}
        return URL.create("postgresql+psycopg", user, database=database, query=query)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """As superuser."""
        with psycopg.connect(
            host=str(self.folder), user="root", password=SECRET, dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def new_database(self, password: str) -> URL:
        """Empty, with an owner of the same name and of that password."""
        name = f"test{next(self.numbers)}"
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        self.execute(f"CREATE DATABASE {name} OWNER {name}")
        return self.url(name, name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    if not all(map(shutil.which, ("initdb", "pg_ctl", "postgres"))):
        pytest.skip("needs PostgreSQL's initdb, pg_ctl and postgres in PATH")
    folder = Path(tempfile.mkdtemp(prefix="bobr-postgres-"))  # a socket's path must be short
    server = Server(folder)
    try:
        (folder / "password").write_text(SECRET)
        (folder / "password").chmod(0o644)
        server.run(
            *("initdb", "-D", "data", "-U", "root", "-E", "UTF8", "--no-locale", "--no-sync"),
            *("--auth=scram-sha-256", "--pwfile=password"),
        )
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)
