"""Options that several commands share, and their exit statuses."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

EXIT_PARTLY = 1
EXIT_FAILED = 2

URL = "BOBR_URL"
"""In the environment: `http://localhost:7070`, or `localhost:7070`."""


KEY = "BOBR_KEY"
"""In the environment: an API key."""
KEY_FILE = "BOBR_KEY_FILE"
"""Or a file that has it."""
CA = "BOBR_CA"
"""PEM file with the authorities that are trusted to sign the system's certificate."""
CERT, CERT_KEY = "BOBR_CERT", "BOBR_CERT_KEY"
"""PEM files: the caller's own certificate and its key, where the system asks for one."""


Options = Mapping[str, str]
"""Of a command, by the members of the requests that it makes."""


def in_options(words: str, options: Options) -> str:
    """What the API says, which names members of requests in backticks, as who typed a command knows them.

    >>> in_options("`allow_delete` removes it, `proto` does not", {"allow_delete": "--allow-delete"})
    '--allow-delete removes it, `proto` does not'
    """
    return re.sub(r"`(\w+)`", lambda found: options.get(found[1], found[0]), words)


def _prefer(context: typer.Context, directory: Path) -> Path:
    """What is typed goes before what was exported some time ago, perhaps the address of another system."""
    source = context.get_parameter_source("directory")
    if source is not None and source.name == "COMMANDLINE":
        os.environ.pop(URL, None)
    return directory


WAIT_SECONDS_MAX = 7 * 24 * 3600.0
"""Of what a command may be told to wait: longer is a mistake, and too much for a socket in the end."""


def _number(value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number")
    return value


def waiting(words: str, most: float = WAIT_SECONDS_MAX) -> Any:
    """An option in seconds. words: its help. most: that it may be."""
    return typer.Option(help=words, min=0, max=int(most), callback=_number)


def is_named(context: typer.Context) -> bool:
    """Whether who calls said which system is meant, by whatever way: then it is that one or none."""
    source = context.get_parameter_source("directory")
    return URL in os.environ or (
        source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    )


Dir = Annotated[
    Path,
    typer.Option(
        "--dir",
        envvar="BOBR_DIR",
        help="The system's data folder.",
        metavar="PATH",
        callback=_prefer,
    ),
]
DIR = Path(".bobr")
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert", help="PEM file; with it everything listens with TLS.", metavar="FILE"
    ),
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", help="PEM file: the key of --tls-cert.", metavar="FILE")
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca",
        help="PEM file; who calls needs a certificate signed by one of these.",
        metavar="FILE",
    ),
]
CATALOG = "BOBR_CATALOG"
"""In the environment: as `--catalog`; parts inherit it."""
Catalog = Annotated[
    str,
    typer.Option(
        "--catalog",
        envvar=CATALOG,
        metavar="URL",
        help="Database of the configuration's revisions, such as postgresql://bobr@db/bobr; ${env:NAME} and "
        "${file:/path} may stand in it.  [default: a file in the data folder]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
