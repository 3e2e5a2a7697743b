"""One spelling for each place that catalogs of tables lie in, whatever a user writes. Pure.

What references name, and where links lead, is known only to the part that goes there.
"""

import re
from posixpath import normpath
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from bobr.catalog.references import ANYTHING

CATALOG_FILE = "catalog.db"
"""In a warehouse that names no catalog."""
SQLITE, POSTGRESQL = "sqlite", "postgresql"
POSTGRESQL_PORT = "5432"
_PLACES = ("host", "hostaddr", "port", "dbname", "service")
"""Parameters of a URI's query that libpq takes for its other parts."""
_ADDRESS = re.compile(r"(\[[^]]*\]|[^:]*):?(.*)")
_REFERS = quote("${", safe="")
_SEARCHED = "search_path"
"""What `options` may set: in which schema of the database the catalog's tables are."""


def same_folder(path: str) -> str:
    """The same for all that differ in strokes and dots alone. `..` stays beside references, which end in anything."""
    path = re.sub(r"/+", "/", path)
    return path.rstrip("/") if ANYTHING.search(path) and ".." in path.split("/") else normpath(path)


def catalog_in(folder: str) -> str:
    """The catalog of a warehouse that names none."""
    return f"{SQLITE}:{same_folder(f'{folder}/{CATALOG_FILE}')}"


def same_catalog(uri: str) -> str:
    """The same for all URIs of one database: whoever logs in by whichever driver, and however long it waits."""
    try:  # references may have any character in them
        whole = ANYTHING.sub(lambda found: quote(found[0], safe=""), uri)
        parts = urlsplit(whole, allow_fragments=False)
    except ValueError:
        return uri
    match parts.scheme.partition("+")[0]:
        case "sqlite" if parts.path.startswith("//"):
            return f"{SQLITE}:{same_folder(unquote(parts.path))}"
        case "postgresql":
            return _server(parts)
    return uri


def _server(parts: SplitResult) -> str:
    user, _, address = parts.netloc.rpartition("@")
    host, port = _ADDRESS.findall(address)[0]
    query = parse_qsl(parts.query)
    named: dict[str, str] = {}
    for key, value in query:
        if key in _PLACES:  # of several hosts each is said for itself
            named[key] = f"{named[key]},{value}" if key in named else value
    host = named.pop("host", host if _REFERS in host else host.lower())
    port = named.pop("port", port) or POSTGRESQL_PORT
    database = named.pop("dbname", parts.path.removeprefix("/")) or user.partition(":")[0]
    others = [f"{key}={value}" for key, value in sorted(named.items())]
    searched = [value for key, value in query if key == "options" and _SEARCHED in value]
    return " ".join([f"{POSTGRESQL}:", host, port, unquote(database), *others, *searched])
