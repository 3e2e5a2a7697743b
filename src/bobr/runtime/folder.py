"""The data folder of one system: what lies where, who holds it, and where its parts listen."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bobr.errors import MisconfiguredError, UnavailableError

ENDING_SECONDS = 30.0
"""How long a new system waits for the last one's parts: they end within that when their supervisor is gone."""
POLL_SECONDS = 0.02


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
    def tables(self) -> Path:
        """The Iceberg catalog's database there."""
        return self.lake / "catalog.db"

    @property
    def foundations(self) -> Sequence[Path]:
        """The files that parts have open all the time. Others beside them, such as a user's copies, are not ours."""
        return (self.lock, self.log, self.catalog, self.registry, self.tables)

    @property
    def logs(self) -> Path:
        """What the parts print, a file each."""
        return self.root / "logs"

    def log_of(self, part: str) -> Path:
        """The part's file there."""
        return self.logs / f"{part}.log"

    def revisions_of(self, part: str) -> Path:
        """The last catalogs that the part ran."""
        return self.root / "revisions" / part

    @property
    def schemas(self) -> Path:
        """Compiled schemas that parts were given."""
        return self.root / "schemas"

    @property
    def running(self) -> Path:
        """What runs here now; written by the supervisor."""
        return self.root / "running.json"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor and, through an inherited descriptor, by every part."""
        return self.root / "lock"

    @property
    def supervisor(self) -> Path:
        """Locked by the supervisor alone: process ids are used again, locks end with their process."""
        return self.root / "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartProcess:
    """A part as the supervisor sees it."""

    state: str
    pid: int | None
    restarts: int
    last_exit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A system that runs. addresses: host:port by the names of `Ports`. metrics: where each part tells them.

    certificate: of all, with TLS. is_exposed: other machines may reach it, and need no certificate.
    """

    pid: int
    ready: bool
    addresses: Mapping[str, str]
    metrics: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, PartProcess] = field(default_factory=dict)
    certificate: str | None = None
    is_exposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A folder that is ours: descriptors of its locks. `shared` is for the parts to inherit."""

    shared: int
    own: int

    def close(self) -> None:
        """Let go, as far as this process is concerned."""
        os.close(self.own)
        os.close(self.shared)


def take(folder: Folder) -> Hold:
    """Make the folder ours.

    Waits for a system that is just ending. MisconfiguredError: it is in use, or can not be written.
    """
    try:
        _make(folder)
        shared = _take_lock(folder)
        own = os.open(folder.supervisor, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unusable(folder, error) from error
    fcntl.flock(own, fcntl.LOCK_EX)
    return Hold(shared=shared, own=own)


def _make(folder: Folder) -> None:
    """A new one is nothing for git, in whose repository it may lie; one that is there may be a repository itself."""
    is_new = not folder.root.exists()
    folder.logs.mkdir(parents=True, exist_ok=True)
    if is_new:
        (folder.root / ".gitignore").write_text("*\n")


def _take_lock(folder: Folder) -> int:
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    give_up = time.monotonic() + ENDING_SECONDS
    while not _lock(descriptor):
        if _locked(folder.supervisor) or time.monotonic() > give_up:
            os.close(descriptor)
            raise MisconfiguredError(_in_use(folder))
        time.sleep(POLL_SECONDS)
    os.set_inheritable(descriptor, True)
    return descriptor


def unusable(folder: Folder, error: OSError) -> MisconfiguredError:
    """In words for who started it."""
    where = f"the data folder {folder.root} can not be used: {error.strerror}"
    return MisconfiguredError(f"{where}: {_advice(error)}")


def _advice(error: OSError) -> str:
    if isinstance(error, NotADirectoryError | FileExistsError):
        return "choose a folder with --dir, be it a new one"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there or choose another with --dir"
    return "choose another with --dir, or mend that"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(folder: Folder) -> str:
    running = _read(folder)
    held = f"the data folder {folder.root} is in use"
    if running is None:
        return f"{held} by a process that does not say who it is (`fuser {folder.lock}`): choose another with --dir"
    if _locked(folder.supervisor):
        return f"{held} by process {running.pid}: `bobr down` ends it, or choose another with --dir"
    parts = ", ".join(f"{name} {part.pid}" for name, part in running.parts.items() if part.pid)
    return f"{held} by parts of a system that died: {parts}: end them, or choose another with --dir"


class Foundations:
    """The databases of a folder that is in use: each must stay the same file as long as parts have it open.

    A database whose file was removed or replaced goes on without an error, in a file that nobody finds again.
    """

    def __init__(self, folder: Folder) -> None:
        """None is known yet; whatever `lost` finds is from then on."""
        self._folder = folder
        self._known: dict[Path, tuple[int, int]] = {}

    def lost(self) -> Path | None:
        """One that is gone, or another file than it was."""
        for path in self._folder.foundations:
            try:
                identity = _identity(path)
            except OSError:
                continue  # it can not be told, which says nothing about the file
            if self._known.get(path, identity) != identity:
                return path
            if identity is not None:
                self._known[path] = identity
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    """None: there is no such file."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def write_running(folder: Folder, running: Running) -> None:
    """Tell who looks; replaces the former word as a whole. OSError: such as a full disk; the former word stays."""
    draft = folder.running.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(running), indent=1))
    draft.replace(folder.running)


def forget_running(folder: Folder) -> None:
    """Nothing runs here any more."""
    with contextlib.suppress(OSError):
        folder.running.unlink(missing_ok=True)


def read_running(folder: Folder) -> Running:
    """What runs here. UnavailableError: nothing does, or it does not say where."""
    running = _read(folder)
    if not _locked(folder.lock):
        message = (
            f"no system runs in {folder.root}: `bobr up` starts one; --dir or BOBR_URL name another"
        )
        raise UnavailableError(message)
    if running is None:
        message = (
            f"a system runs in {folder.root}, but {folder.running} does not tell where: "
            "it just starts or ends, or the file is damaged"
        )
        raise UnavailableError(message)
    if not _locked(folder.supervisor):
        message = (
            f"the system in {folder.root} is ending: its supervisor, process {running.pid}, is gone"
        )
        raise UnavailableError(message)
    return running


def is_held(folder: Folder) -> bool:
    """Whether any process of a system still has it. UnavailableError: it is not ours to know."""
    return _locked(folder.lock)


def _read(folder: Folder) -> Running | None:
    try:
        return msgspec.json.decode(folder.running.read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        message = f"whether a system runs is not known: {path} can not be read: {error.strerror}"
        raise UnavailableError(message) from error
    return False
