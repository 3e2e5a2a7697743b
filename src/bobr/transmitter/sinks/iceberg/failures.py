"""The only place where errors of PyIceberg, SQLAlchemy and the disk become ours."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyiceberg.exceptions import NoSuchTableError, ValidationError
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

from bobr.errors import BrokenError, OverloadedError, RejectedError, UnavailableError

MOVED = (
    "if the data folder was moved: Iceberg names files by absolute path, so put a link where it was"
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn errors of the disk, of the catalog's database and of PyIceberg into ours."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise UnavailableError(f"{where}: the catalog does not answer: {_said(error)}") from error
    except ProgrammingError as error:
        raise BrokenError(f"{where}: the catalog does not let us: {_said(error)}") from error
    except DatabaseError as error:
        raise BrokenError(f"{where}: the catalog is damaged: {error.orig}") from error
    except pa.ArrowInvalid as error:
        raise BrokenError(f"{where}: a file of it is damaged: {error}") from error
    except FileNotFoundError as error:
        raise BrokenError(f"{where}: a file of it is gone: {error} ({MOVED})") from error
    except OSError as error:
        raise _disk_error(where, error) from error
    except NoSuchTableError as error:
        raise UnavailableError(f"{where} was dropped; it is made anew: {error}") from error
    except ValidationError as error:
        raise RejectedError(f"{where}: {error}") from error


def make_folder(folder: Path) -> None:
    """With those that it lies in. UnavailableError: it can not be there, and nothing of a table is gone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, NotADirectoryError, FileExistsError) as error:
        why = f"folder {folder} can not be made: {error.strerror}"
        raise UnavailableError(
            f"{why}; the destination's `warehouse` or catalog lies there"
        ) from error


def _said(error: DBAPIError) -> str:
    """The words of SQLite or of a server, on one line; neither says passwords."""
    return " ".join(str(error.orig).split())


def _disk_error(where: str, error: OSError) -> UnavailableError | OverloadedError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OverloadedError(f"{where}: the disk is full: {error}; free some space")
    return UnavailableError(f"{where}: the disk fails: {error}")
