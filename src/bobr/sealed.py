"""Files that are whole or are not believed: each replaced at once, synced, with a checksum over what it holds.

For copies that can be had again, which parts keep to need nobody at their start.
"""

import hashlib
import os
import threading
from pathlib import Path

from bobr.errors import BrokenError

FORMAT = "bobr-sealed-1"


def write_sealed(path: Path, kind: str, content: bytes) -> None:
    """Put `content` there, for its owner's eyes alone; what was there before stays until this is on disk.

    `kind`: what it is; read again as nothing else. OSError: such as a full disk.
    """
    draft = path.with_name(f".{path.name}.{threading.get_native_id()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_head(kind, content) + content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_sealed(path: Path, kind: str) -> bytes:
    """What was put there. OSError: it can not be read. BrokenError: it is damaged, or something else."""
    head, newline, content = path.read_bytes().partition(b"\n")
    if head + newline != _head(kind, content):
        raise BrokenError(f"{path} is damaged, or no {kind}")
    return content


def _head(kind: str, content: bytes) -> bytes:
    return f"{FORMAT} {kind} {hashlib.sha256(content).hexdigest()}\n".encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
