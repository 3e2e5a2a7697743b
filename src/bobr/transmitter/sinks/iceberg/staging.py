"""Who has files staged: a note in the data folder, locked as long as its writer lives.

The kernel lets go of the lock however the writer ends, so a note that can be locked is of one that will never name its
files to the catalog any more. Only for local disks, as all of this sink.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PREFIX = "bobr-"
"""Only files named so are ours to clean up."""
SUFFIX = ".staging"


class StagingNote:
    """One writer's note, locked. One owner thread."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Use `begin` or `abandoned`."""
        self.writer = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def begin(cls, folder: Path, writer: str) -> "StagingNote":
        """Before the first file: nobody ever sees the note without its lock."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{PREFIX}{writer}{SUFFIX}"
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
        except OSError:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        return cls(path, descriptor)

    def remove(self) -> None:
        """What becomes of every file is settled."""
        with suppress(OSError):  # then whoever opens the table next finds it, and nothing to do
            self._path.unlink()
        self.leave()

    def leave(self) -> None:
        """Let go of the lock: whoever opens the table next settles it. Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def abandoned(folder: Path) -> Iterator[StagingNote]:
    """The notes whose writers have ended or given up; they are locked by us now."""
    for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            yield StagingNote(path, descriptor)
