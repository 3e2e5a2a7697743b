"""Options that several commands share, and the exit statuses of all."""

from pathlib import Path
from typing import Annotated

import typer

EXIT_PARTLY = 1
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130  # as shells tell SIGINT

Dir = Annotated[
    Path,
    typer.Option(
        "--dir",
        envvar="BOBR_DIR",
        help="The system's data folder; BOBR_URL goes before it.",
        metavar="PATH",
    ),
]
DIR = Path(".bobr")
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
