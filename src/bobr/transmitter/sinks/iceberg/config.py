"""Where an Iceberg catalog and its tables lie."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL


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
