"""PyIceberg's file access, with what it writes on disk before the catalog names it."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

from pyarrow.fs import LocalFileSystem
from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO


class DurableFileIO(PyArrowFileIO):
    """Local files whose content and name are on disk when they are closed.

    PyIceberg alone leaves manifests and metadata in the page cache: after a power cut the catalog,
    which SQLite did make durable, could name files that are empty.
    """

    def new_output(self, location: str) -> PyArrowFile:
        """A file to write, durably."""
        return _DurableFile(location=location, path=str(local_path(location)), fs=LocalFileSystem())


class _DurableFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> OutputStream:
        path = local_path(self.location)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Synced(io.FileIO(path, "wb" if overwrite else "xb"))


def local_path(location: str) -> Path:
    """A location in Iceberg's metadata as a path; other engines write `file:` before it."""
    return Path(re.sub("^file:(//)?(?=/)", "", location))


class _Synced(io.BufferedWriter):
    """A file that is durable when closed."""

    raw: io.FileIO

    def close(self) -> None:
        """Flush, sync content and name, close. Idempotent."""
        if self.closed:
            return
        self.flush()
        os.fdatasync(self.fileno())
        sync_folder(Path(os.fsdecode(self.raw.name)).parent)
        super().close()


def sync_file(path: Path) -> None:
    """Make the content of a file durable; who wrote it may have closed it."""
    _sync(path, os.O_RDONLY, os.fdatasync)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY, os.fsync)


def _sync(path: Path, flags: int, sync: Callable[[int], None]) -> None:
    descriptor = os.open(path, flags)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
