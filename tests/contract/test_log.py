"""Both logs keep the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bobr.log import Log
from bobr.log.sqlite import SqliteLog
from bobr.testing.log import MemoryLog
from bobr.testing.log_contract import LogContract


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog()


class TestSqliteLog(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        log = SqliteLog(tmp_path / "log.db")
        yield log
        log.close()
