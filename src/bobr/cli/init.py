"""`bobr init` and `bobr schema-of`: a first configuration, with what editors and pull requests need."""

import json
import sys
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bobr.errors import RejectedError

SCHEMA = "bobr.schema.json"
EXAMPLES = {
    "bobr.yaml": "{conf}/bobr.yaml",
    "shop.proto": "{conf}/shop.proto",
    "workflow.yml": ".github/workflows/bobr.yml",
}
"""Files of `cli/examples/`, and where each goes."""


class What(StrEnum):
    """Of what there is a schema."""

    CONFIG = "config"


def init(
    conf: Annotated[
        Path, typer.Argument(help="The folder to make, below the repository's root.")
    ] = Path("conf"),
) -> None:
    """Make a folder of configuration with an example, the schema for editors, and a workflow for pull requests.

    What is there already stays as it is, and stderr says so.

    Example: bobr init conf
    """
    from bobr.catalog.config.model import json_schema

    if conf.is_absolute() or ".." in conf.parts:
        raise RejectedError(
            f"{conf} is not below this folder: change to the repository's root first"
        )
    examples = files("bobr.cli") / "examples"
    wanted = {
        place.format(conf=conf.as_posix()): (examples / name)
        .read_text()
        .replace("CONF", conf.as_posix())
        for name, place in EXAMPLES.items()
    }
    wanted[f"{conf.as_posix()}/{SCHEMA}"] = json.dumps(json_schema(), indent=1) + "\n"
    for place, text in wanted.items():
        _write(Path(place), text)
    print(f"next: bobr validate {conf}, then bobr plan {conf} and bobr apply {conf} -m 'first'")


def _write(path: Path, text: str) -> None:
    if path.exists():
        print(f"bobr: {path} is there already and stays as it is", file=sys.stderr)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise RejectedError(f"{path} can not be written: {error.strerror}") from error
    print(f"made {path}")


def schema_of(
    what: Annotated[What, typer.Argument(help="config: of configuration files.")],
) -> None:
    """Print the JSON Schema of configuration files, as editors use it to complete and check them.

    Example: bobr schema-of config > conf/bobr.schema.json
    """
    from bobr.catalog.config.model import json_schema

    assert what is What.CONFIG
    print(json.dumps(json_schema(), indent=1))
