"""The data folder of one system: what lies where, who holds it, and where its parts listen."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bobr.errors import MisconfiguredError, UnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Paths inside the folder. Nothing outside this class joins a path to it."""

    root: Path

    @property
    def log(self) -> Path:
        """The embedded log's database."""
        return self.root / "log.sqlite"

    @property
    def catalog(self) -> Path:
        """The controller's database: every revision of the catalog."""
        return self.root / "catalog.sqlite"

    @property
    def registry(self) -> Path:
        """The embedded schema registry's database."""
        return self.root / "registry.sqlite"

    @property
    def lake(self) -> Path:
        """The Iceberg catalog and warehouse of local deliveries."""
        return self.root / "lake"

    @property
    def logs(self) -> Path:
        """What the parts print, a file each."""
        return self.root / "logs"

    @property
    def running(self) -> Path:
        """What runs here now; written by the supervisor."""
        return self.root / "running.json"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor and, through an inherited descriptor, by every part."""
        return self.root / "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartProcess:
    """A part as the supervisor sees it."""

    state: str
    pid: int | None
    restarts: int
    last_exit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A system that runs. addresses: `http`, `grpc` (host:port) and `control`."""

    pid: int
    ready: bool
    addresses: Mapping[str, str]
    parts: Mapping[str, PartProcess] = field(default_factory=dict)


def take(folder: Folder) -> int:
    """Make the folder ours; the descriptor of its lock, to be inherited by the parts.

    MisconfiguredError: it is in use, or can not be written.
    """
    try:
        folder.logs.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        message = f"the data folder {folder.root} can not be used: {error.strerror}: choose another with --dir"
        raise MisconfiguredError(message) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise MisconfiguredError(_in_use(folder)) from error
    os.set_inheritable(descriptor, True)
    return descriptor


def _in_use(folder: Folder) -> str:
    running = _read(folder)
    who = f"process {running.pid}" if running else "another process"
    return f"the data folder {folder.root} is in use by {who}: `bobr down` ends it, or choose another with --dir"


def write_running(folder: Folder, running: Running) -> None:
    """Tell who looks; replaces the former word as a whole."""
    draft = folder.running.with_suffix(".new")
    draft.write_text(json.dumps(asdict(running), indent=1))
    draft.replace(folder.running)


def forget_running(folder: Folder) -> None:
    """Nothing runs here any more."""
    with contextlib.suppress(OSError):
        folder.running.unlink(missing_ok=True)


def read_running(folder: Folder) -> Running:
    """What runs here. UnavailableError: nothing does."""
    running = _read(folder)
    if running is None or not _locked(folder):
        message = (
            f"no system runs in {folder.root}: `bobr up` starts one; --dir or BOBR_URL name another"
        )
        raise UnavailableError(message)
    return running


def _read(folder: Folder) -> Running | None:
    try:
        raw = json.loads(folder.running.read_text())
    except (OSError, ValueError):
        return None
    parts = {name: PartProcess(**part) for name, part in raw.pop("parts").items()}
    return Running(**raw, parts=parts)


def _locked(folder: Folder) -> bool:
    try:
        with folder.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
