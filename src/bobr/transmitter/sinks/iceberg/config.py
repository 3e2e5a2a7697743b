"""Where an Iceberg catalog and its tables lie: what the user says of a destination, and what it means here."""

import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from pyiceberg.table import Table
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from bobr.catalog import Destination, SqlCatalog
from bobr.catalog.locations import CATALOG_FILE, POSTGRESQL, SQLITE, same_catalog
from bobr.errors import BrokenError, MisconfiguredError
from bobr.transmitter.sinks.iceberg.durable import local_path
from bobr.transmitter.sinks.iceberg.failures import make_folder

CONNECT_SECONDS = 10.0
"""To a server, which may be another machine that is gone."""
STATEMENT_SECONDS = 30.0
"""Of the server for one of our statements, which take milliseconds: somebody may hold a lock on the catalog's rows."""
SERVER_OPTIONS = {
    "connect_timeout": f"{CONNECT_SECONDS:.0f}",
    "options": f"-c statement_timeout={STATEMENT_SECONDS:.0f}s",
    # A machine that is gone says nothing any more: it is found out after as long.
    "keepalives_idle": "10",
    "keepalives_interval": "10",
    "keepalives_count": "2",
    "tcp_user_timeout": f"{STATEMENT_SECONDS * 1000:.0f}",
}
"""Of libpq, unless the URI says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergConfig:
    """A catalog in a SQL database, tables in folders below `warehouse`, which is on a local disk.

    Any engine that knows Iceberg's JDBC catalog can open it under the name `bobr`. Paths in it are
    absolute: the folders can not be moved.
    """

    url: URL
    """Of the database; its text does not show the password."""
    warehouse: Path
    namespace: str = "bobr"
    """Of tables that are named without one."""

    @classmethod
    def in_folder(cls, folder: Path) -> "IcebergConfig":
        """Everything in one folder: the catalog in a SQLite file."""
        folder = folder.absolute()
        url = URL.create(SQLITE, database=str(folder / CATALOG_FILE))
        return cls(url=url, warehouse=folder / "warehouse")

    @classmethod
    def of(cls, destination: Destination, lake: Path) -> "IcebergConfig":
        """What a destination says, its references resolved. lake: the folder of those that name none.

        MisconfiguredError: it can never be used, wherever it is tried.
        """
        folder = lake if destination.warehouse is None else Path(destination.warehouse)
        if not folder.is_absolute() and destination.warehouse is not None:
            raise MisconfiguredError(f"warehouse {str(folder)!r} is no absolute path of a folder")
        config = replace(cls.in_folder(folder), namespace=destination.namespace)
        return (
            config
            if destination.catalog is None
            else replace(config, url=_url(destination.catalog))
        )

    @property
    def catalog(self) -> Path:
        """The file of a catalog in SQLite."""
        assert self.is_file, "a server's"
        assert self.url.database, "in memory"
        return Path(self.url.database)

    @property
    def is_file(self) -> bool:
        """Whether the catalog is a file of SQLite's, and not a server's."""
        return self.url.get_backend_name() == SQLITE

    @property
    def place(self) -> str:
        """Where the catalog is: the same for all that lead there."""
        if self.is_file:
            return f"{SQLITE}:{os.path.realpath(self.catalog)}"
        return same_catalog(self.url.render_as_string())

    def properties(self) -> dict[str, str]:
        """What PyIceberg opens the catalog with; the password is in it."""
        uri = self.url.render_as_string(hide_password=False)
        properties = {"uri": uri, "warehouse": str(self.warehouse)}
        # A connection that a server has closed while it was idle is no reason to fail.
        return properties if self.is_file else {**properties, "pool_pre_ping": "true"}

    def qualified(self, table: str) -> str:
        """The table's name with its namespace."""
        return table if "." in table else f"{self.namespace}.{table}"

    def new_location(self, identifier: str) -> Path:
        """Make a folder for a table of that name which no table has, nor had, nor another writer is about to take.

        A table keeps its folder when it is renamed, and what was dropped may be registered again; whoever finds his
        own folder's files in no snapshot of his removes them.
        """
        folder = self.warehouse.joinpath(*identifier.split("."))
        make_folder(folder.parent)
        try:
            folder.mkdir()
        except FileExistsError:
            folder = folder.with_name(f"{folder.name}-{uuid.uuid4().hex[:12]}")
            folder.mkdir()
        return folder

    def check_is_ours(self, table: Table) -> None:
        """BrokenError: its files are below another warehouse, since this catalog is a copy of that one's.

        Nothing may be written or removed there: the original goes on by itself.
        """
        location = local_path(table.location())
        if not (self.warehouse.exists() and _is_below(location, self.warehouse)):
            raise BrokenError(
                f"table {table.name()[-1]} lies in {location}, outside {self.warehouse}: this data folder is a copy, "
                "or was moved; Iceberg names files by absolute path, so put it (or a symbolic link to it) "
                "where it was made, in place of the original"
            )


def _url(catalog: SqlCatalog) -> URL:
    try:
        url = make_url(catalog.uri)
        if url.drivername == POSTGRESQL:
            url = url.set(drivername=f"{POSTGRESQL}+psycopg")
        backend = url.get_backend_name()
        if backend not in (SQLITE, POSTGRESQL):
            raise MisconfiguredError(
                f"catalog: {backend} is not supported, {SQLITE} and {POSTGRESQL} are"
            )
        url.get_dialect().import_dbapi()
    except (ArgumentError, ValueError, NoSuchModuleError):  # its text may show parts of the URI
        raise MisconfiguredError(
            "catalog: the uri is none, such as postgresql+psycopg://user@host/database"
        ) from None
    except ModuleNotFoundError as error:
        raise MisconfiguredError(
            f"catalog: the uri needs {error.name}, which is not installed; postgresql+psycopg:// needs what is"
        ) from error
    if backend == SQLITE:
        if not url.database or not Path(url.database).is_absolute():
            raise MisconfiguredError(
                "catalog: the uri names no file by its absolute path, such as sqlite:////srv/lake/catalog.db"
            )
        return url
    if catalog.password is not None:
        url = url.set(password=catalog.password)
    return url.update_query_dict({**SERVER_OPTIONS, **url.query})


def _is_below(path: Path, folder: Path) -> bool:
    """Whatever names links and mounts give to the folder."""
    return any(parent.exists() and parent.samefile(folder) for parent in path.parents)
