"""The last catalogs that a part ran, on its disk: it starts with them when nobody tells it another.

Keys are those of the newest, or none is heard: the file's name has the digest of its principals, which so outlives its
content. A newest that is damaged is passed over for one before it only where both have the same. Where the newest can
not be written, as on a full disk, those that have others are removed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import structlog
from pydantic import ValidationError

from bobr.catalog import Catalog, Principal
from bobr.errors import BrokenError
from bobr.ids import PrincipalName
from bobr.sealed import read_sealed, write_sealed

KEPT = 3
"""The newest, and two to fall back to."""
WRITE_SECONDS = 1.0
"""One is written this often at most: those between are passed over."""
ACCESS_CHARACTERS = 16
"""Of the digest of principals in a name: enough to tell a few of them apart."""

NOT_BELIEVED = (
    "a kept catalog is not used: keys have changed since, and the one that has them is damaged"
)

log = structlog.get_logger()


class Revisions:
    """A folder of one part's. Files are named by their order, their revision, which may go back, and their principals.

    One thread writes; another instance may write there, too.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: made when something is written."""
        self._folder = folder
        self._is_failing = False

    def newest_first(self) -> Iterator[Catalog]:
        """Those that can be read, each with the principals of the newest; of each that can not there is a log line.

        Of the newest only its name may be left. What was kept before it and has other principals is not used: a key
        that was revoked since would be good again.
        """
        paths = self._paths()[::-1]
        principals: Mapping[PrincipalName, Principal] | None = None
        for path in paths:
            try:
                catalog = _read(path)
            except (OSError, BrokenError, ValidationError) as error:
                log.warning("a kept catalog can not be used", path=str(path), reason=str(error))
                continue
            if principals is None and _access(path) != _access(paths[0]):
                log.error(NOT_BELIEVED, path=str(path))
                continue
            principals = catalog.principals if principals is None else principals
            yield catalog.model_copy(update={"principals": principals})

    def write(self, catalog: Catalog) -> bool:
        """Keep it as the newest; False: it can not be, and the part goes on without. A log line when that begins.

        Those with other principals are gone then: a key that it revokes would be good again after a start. What has the
        same stays.
        """
        try:
            self._write(catalog)
        except OSError as error:
            with suppress(OSError):
                _remove(path for path in self._paths() if _access(path) != _access_of(catalog))
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
        path = self._folder / f"{serial:012}-{catalog.revision}-{_access_of(catalog)}.catalog"
        write_sealed(path, _seal(path), catalog.model_dump_json().encode())
        _remove((*former[: 1 - KEPT], *self._folder.glob(".*.new")))

    def _paths(self) -> list[Path]:
        """Oldest first."""
        paths = (
            path for path in self._folder.glob("*-*.catalog") if _is_number(path.name.split("-")[0])
        )
        return sorted(paths, key=lambda path: (_serial(path), _revision(path), path.name))


def _remove(paths: Iterable[Path]) -> None:
    """One that can not be removed saves no other."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _serial(path: Path) -> int:
    return int(path.name.split("-")[0])


def _revision(path: Path) -> int:
    """Of two instances that keep one at the same moment, the newer is the newest."""
    text = path.stem.split("-")[1]
    return int(text) if _is_number(text) else -1


def _is_number(text: str) -> bool:
    """Such as we write: `²` is a digit, too, and no number."""
    return text.isascii() and text.isdecimal()


def _read(path: Path) -> Catalog:
    return Catalog.model_validate_json(read_sealed(path, _seal(path)))


def _seal(path: Path) -> str:
    """What the file is sealed as: one that was given another's name is none."""
    return f"catalog {path.stem.partition('-')[2]}"


def _access(path: Path) -> str:
    return path.stem.split("-")[-1]


def _access_of(catalog: Catalog) -> str:
    principals = {name: each.model_dump(mode="json") for name, each in catalog.principals.items()}
    return sha256(json.dumps(principals, sort_keys=True).encode()).hexdigest()[:ACCESS_CHARACTERS]
