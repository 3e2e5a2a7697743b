"""A full disk: appends fail one by one, nothing is half-written, and they work again when there is room.

Run as a script it is a process that fills its disk; `asserts` are then its exit status.
"""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.errors import MisconfiguredError, OverloadedError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit
from bobr.log.sqlite import SqliteLog
from bobr.log.sqlite.appender import SqliteAppender

ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
MIB = 1024 * 1024
NOBODY = 65_534


def batch() -> Batch:
    """100 KiB that do not compress."""
    events = [os.urandom(1024) for _ in range(100)]
    return Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=pa.array(events, pa.binary()))


@contextmanager
def limited_files(path: Path) -> Iterator[Callable[[], None]]:
    """No file of this process may grow beyond 8 MiB, until what is given is called."""
    del path
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, hard))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(path: Path) -> Iterator[Callable[[], None]]:
    """A disk of 12 MiB, a third of it taken until what is given is called."""
    path.parent.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(path.parent)]
    subprocess.run(command, check=True)
    ballast = path.with_name("ballast")
    ballast.write_bytes(bytes(4 * MIB))
    yield ballast.unlink


def fill(appender: SqliteAppender, kept: list[bytes]) -> None:
    """Append until there is no more room; `kept` gets what was acknowledged."""
    for _ in range(1000):
        one = batch()
        error = appender.append(one).exception()
        if error is not None:
            assert isinstance(error, OverloadedError), error
            assert "disk full" in str(error)
            return
        kept += one.payloads.to_pylist()
    raise AssertionError("it never became full")


def read_all(log: SqliteLog) -> list[bytes]:
    """All events."""
    events: list[bytes] = []
    with closing(log.reader()) as reader:
        reader.assign({SOURCE: Offset(0)})
        while batches := reader.read(Limit(events=1000, nbytes=MIB), 0.0):
            events += [event for one in batches for event in one.payloads.to_pylist()]
        assert dict(reader.lost) == {}
    return events


def fill_and_free(path: Path, free: Callable[[], None]) -> None:
    """Full, still full, readable all the while; then free and in order again, also when reopened."""
    kept: list[bytes] = []
    with closing(SqliteLog(path)) as log:
        log.admin().create(ORDERS)
        appender = log.appender()
        fill(appender, kept)
        fill(appender, kept)
        assert read_all(log) == kept
        free()
        one = batch()
        assert appender.append(one).result().end == {SOURCE: len(kept) + 100}
        kept += one.payloads.to_pylist()
    with closing(SqliteLog(path)) as log:
        assert read_all(log) == kept


def open_as_nobody(path: Path) -> None:
    """Where nothing may be written there is one clear line."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    with pytest.raises(MisconfiguredError, match=r"can not be opened.*must be writable") as error:
        SqliteLog(path)
    assert "\n" not in str(error.value)


def run(*arguments: str, prefix: tuple[str, ...] = ()) -> None:
    """This file as a process."""
    command = [*prefix, sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_where_files_may_not_grow(tmp_path: Path) -> None:
    run("limited_files", str(tmp_path / "log.db"))


def test_on_a_disk_that_is_full(tmp_path: Path) -> None:
    own_mounts = ("unshare", "--mount", "--map-root-user")
    if not shutil.which("unshare") or subprocess.run([*own_mounts, "true"], check=False).returncode:
        pytest.skip("this machine does not allow mounts")
    run("small_disk", str(tmp_path / "disk" / "log.db"), prefix=own_mounts)


@pytest.mark.parametrize("exists", [False, True])
def test_in_a_folder_that_is_read_only(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "log.db"
    if exists:
        SqliteLog(path).close()
    tmp_path.chmod(0o555)
    run("open_as_nobody", str(path))


def main(kind: str, path: Path) -> None:
    """The process."""
    if kind == "open_as_nobody":
        open_as_nobody(path)
        return
    disk = {"limited_files": limited_files, "small_disk": small_disk}[kind]
    with disk(path) as free:
        fill_and_free(path, free)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
