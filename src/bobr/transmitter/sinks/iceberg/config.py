"""Where an Iceberg catalog and its tables lie."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from pyiceberg.table import Table
from sqlalchemy import URL

from bobr.errors import BrokenError
from bobr.transmitter.sinks.iceberg.durable import local_path


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergConfig:
    """A catalog in one SQLite file, tables in folders below `warehouse`; both on a local disk.

    Any engine that knows Iceberg's JDBC catalog can open it under the name `bobr`. Paths in it are
    absolute: the folders can not be moved.
    """

    catalog: Path
    warehouse: Path
    namespace: str = "bobr"

    @classmethod
    def in_folder(cls, folder: Path) -> "IcebergConfig":
        """Everything in one folder."""
        folder = folder.absolute()
        return cls(catalog=folder / "catalog.db", warehouse=folder / "warehouse")

    @property
    def uri(self) -> str:
        """The catalog as SQLAlchemy names it."""
        return URL.create("sqlite", database=str(self.catalog)).render_as_string()

    def new_location(self, identifier: str) -> Path:
        """Make a folder for a table of that name which no table has, nor had, nor another writer is about to take.

        A table keeps its folder when it is renamed, and what was dropped may be registered again; whoever finds his
        own folder's files in no snapshot of his removes them.
        """
        folder = self.warehouse.joinpath(*identifier.split("."))
        folder.parent.mkdir(parents=True, exist_ok=True)
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


def _is_below(path: Path, folder: Path) -> bool:
    """Whatever names links and mounts give to the folder."""
    return any(parent.exists() and parent.samefile(folder) for parent in path.parents)
