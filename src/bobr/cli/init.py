"""`bobr init` and `bobr schema-of`: a first configuration, with what editors and pull requests need."""

import json
import re
import sys
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bobr.errors import RejectedError

SCHEMA = "bobr.schema.json"
EXAMPLES = ("bobr.yaml", "shop.proto")
WORKFLOW = "workflow.yml"
"""Files of `cli/examples/`."""
PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
"""Of paths that shells and globs take as they are."""


class What(StrEnum):
    """Of what there is a schema."""

    CONFIG = "config"


def init(
    conf: Annotated[Path, typer.Argument(help="The folder to make, here or below.")] = Path("conf"),
) -> None:
    """Make a folder of configuration with an example, the schema for editors, and a workflow for pull requests.

    The workflow goes to the root of the git repository. What is there already stays as it is, and stderr says so.

    Example: bobr init conf
    """
    from bobr.catalog.config.model import json_schema

    if conf.is_absolute() or ".." in conf.parts:
        raise RejectedError(f"{conf} is not below this folder: change to the repository first")
    below = _below_root(Path.cwd())
    from_root = (below / conf).as_posix()
    if not PLAIN.fullmatch(from_root):
        raise RejectedError(
            f"{from_root!r}: a workflow needs letters, digits, '.', '_', '-' and '/' alone"
        )
    root = Path(*[".."] * len(below.parts))
    wanted = {conf / name: _example(name, conf.as_posix()) for name in EXAMPLES}
    wanted[root / ".github" / "workflows" / "bobr.yml"] = _example(WORKFLOW, from_root)
    wanted[conf / SCHEMA] = json.dumps(json_schema(), indent=1) + "\n"
    for path, text in wanted.items():
        _write(path, text)
    print(f"next: bobr validate {conf}, then bobr plan {conf} and bobr apply {conf} -m 'first'")


def _below_root(folder: Path) -> Path:
    """Where it lies in its git repository; `.` in none."""
    for root in (folder, *folder.parents):
        if (root / ".git").exists():
            return folder.relative_to(root)
    return Path()


def _example(name: str, conf: str) -> str:
    text = (files("bobr.cli") / "examples" / name).read_text()
    below = "" if conf == "." else f"{conf}/"
    return text.replace("CONF/", below).replace("CONF", conf)


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
