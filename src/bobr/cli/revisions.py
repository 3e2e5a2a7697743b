"""`bobr history`, `diff`, `show` and `rollback`: what was in force when, who made it so, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json

ASK_SECONDS = 60.0

Number = Annotated[int, typer.Argument(help="A revision; `bobr history` lists them.", min=0)]


def history(
    limit: Annotated[int, typer.Option(help="So many revisions, the newest first.", min=1)] = 20,
    before: Annotated[
        int | None, typer.Option(help="Only revisions before this one.", min=1)
    ] = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """List the revisions of the configuration: when, who, from where, what changed, and why.

    Example: bobr history --limit 5
    """
    from bobr.cli.render import print_columns
    from bobr.cli.system import controller

    query = f"limit={limit}" + (f"&before={before}" if before is not None else "")
    with controller(directory) as system:
        found: Mapping[str, Any] = system.get(f"/v1/revisions?{query}", ASK_SECONDS)
    if as_json:
        print(json.dumps(found))
        return
    if not found["revisions"]:
        print("no revisions yet: `bobr apply` or `bobr deliver` makes the first")
        return
    names = ("revision", "at", "author", "address", "changes", "source", "message")
    rows = [[str(each[name]) for name in names] for each in found["revisions"]]
    print_columns(names, rows, right={"revision"})


def diff(
    before: Number,
    after: Number,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Show what lies between two revisions, object by object.

    Example: bobr diff 41 42
    """
    from bobr.cli.plans import as_text
    from bobr.cli.system import controller

    with controller(directory) as system:
        found: Mapping[str, Any] = system.get(f"/v1/revisions/{before}/diff/{after}", ASK_SECONDS)
    print(json.dumps(found) if as_json else as_text(found))


def show(
    revision: Annotated[
        int | None, typer.Option(help="As it was; left out: what is in force.", min=0)
    ] = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Print the configuration as files would declare it, a document for each owner; --json has everything.

    Example: bobr show --revision 41
    """
    from bobr.cli.system import controller

    path = "/v1/catalog" if revision is None else f"/v1/catalog?revision={revision}"
    with controller(directory) as system:
        found = system.get(path, ASK_SECONDS)
    print(json.dumps(found) if as_json else _as_files(found))


def _as_files(found: Mapping[str, Any]) -> str:
    from bobr.catalog import API, Catalog
    from bobr.catalog.config.render import as_yaml, owners

    catalog = Catalog.model_validate(found)
    documents = [f"# revision {catalog.revision}"]
    for owner in owners(catalog):
        whose = "made by calls" if owner == API else f"declared by {owner}"
        documents.append(f"# {whose}\n{as_yaml(catalog, owner)}".rstrip())
    return "\n---\n".join(documents)


def rollback(
    revision: Number,
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")] = "",
    author: Annotated[
        str | None,
        typer.Option(help="Who, for the history.  [default: git's user, or the system's]"),
    ] = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Put what was in force at a revision in force again, as a new revision.

    What events and tables hold stays as it is. Exit status 1: a part refuses it or has not answered in time.

    Example: bobr rollback 41 -m "orders were delivered twice"
    """
    from bobr.cli.origin import author_here
    from bobr.cli.plans import as_text, rollout_lines
    from bobr.cli.system import controller

    body = {"revision": revision, "message": message, "author": author or author_here(Path())}
    with controller(directory) as system:
        answer: Mapping[str, Any] = system.post("/v1/rollback", body, ASK_SECONDS)
    if as_json:
        print(json.dumps(answer))
    else:
        print(as_text(answer["plan"]))
        for line in rollout_lines(answer):
            print(line)
    if not answer["live"]:
        raise typer.Exit(EXIT_PARTLY)
