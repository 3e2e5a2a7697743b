"""The last catalogs that a part ran, on its disk: it starts with them when nobody tells it another."""

from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import ValidationError

from bobr.catalog import Catalog
from bobr.errors import BrokenError
from bobr.sealed import read_sealed, write_sealed

KEPT = 3
"""The newest, and two to fall back to."""
WRITE_SECONDS = 1.0
"""One is written this often at most: those between are passed over."""

log = structlog.get_logger()


class Revisions:
    """A folder of one part's. Files are named by their order and their revision, which may go back.

    One thread writes; another instance may write there, too.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: made when something is written."""
        self._folder = folder
        self._is_failing = False

    def newest_first(self) -> Iterator[Catalog]:
        """Those that can be read; of each that can not there is a log line."""
        for path in reversed(self._paths()):
            try:
                yield _read(path)
            except (OSError, BrokenError, ValidationError) as error:
                log.warning("a kept catalog can not be used", path=str(path), reason=str(error))

    def write(self, catalog: Catalog) -> bool:
        """Keep it as the newest; False: it can not be, and the part goes on without. A log line when that begins."""
        try:
            self._write(catalog)
        except OSError as error:
            if not self._is_failing:
                log.warning("the catalog can not be kept on disk", reason=str(error))
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _write(self, catalog: Catalog) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        former = self._paths()
        serial = 1 + (_serial(former[-1]) if former else 0)
        path = self._folder / f"{serial:012}-{catalog.revision}.catalog"
        write_sealed(path, f"catalog {catalog.revision}", catalog.model_dump_json().encode())
        for old in (*former[: 1 - KEPT], *self._folder.glob(".*.new")):
            old.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(
            path for path in self._folder.glob("*-*.catalog") if path.name.split("-")[0].isdigit()
        )


def _serial(path: Path) -> int:
    return int(path.name.split("-")[0])


def _read(path: Path) -> Catalog:
    revision = path.stem.split("-")[1]
    return Catalog.model_validate_json(read_sealed(path, f"catalog {revision}"))
