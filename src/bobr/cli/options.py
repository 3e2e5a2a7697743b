"""Options that several commands share, and their exit statuses."""

import os
from pathlib import Path
from typing import Annotated

import typer

EXIT_PARTLY = 1
EXIT_FAILED = 2

URL = "BOBR_URL"
"""In the environment: `http://localhost:7070`, or `localhost:7070`."""


def _prefer(context: typer.Context, directory: Path) -> Path:
    """What is typed goes before what was exported some time ago, perhaps the address of another system."""
    source = context.get_parameter_source("directory")
    if source is not None and source.name == "COMMANDLINE":
        os.environ.pop(URL, None)
    return directory


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
