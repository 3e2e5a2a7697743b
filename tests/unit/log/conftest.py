"""What tests of the embedded log share."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bobr.ids import StreamName
from bobr.log.sqlite import SqliteLog
from bobr.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path, clock: ManualClock) -> Iterator[SqliteLog]:
    """A log with the stream `orders`."""
    with closing(SqliteLog(path, clock=clock)) as log:
        log.admin().create(StreamName("orders"))
        yield log


@pytest.fixture
def sql(path: Path) -> Iterator[Callable[..., list[tuple[int, ...]]]]:
    """Runs a statement on the database, as somebody else who has it open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield lambda statement, *values: connection.execute(statement, values).fetchall()
