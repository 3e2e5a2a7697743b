"""`bobr history`, `diff`, `show` and `rollback`: what was in force when, who made it so, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bobr.cli.ending import exact_output
from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json
from bobr.errors import NotFoundError, RejectedError

ASK_SECONDS = 60.0
MADE_BY_CALLS = "made by calls; add `owner: NAME`, and `bobr apply --take-over` makes it that one's"

Number = Annotated[int, typer.Argument(help="A revision; `bobr history` lists them.", min=0)]


def _first_line(value: object) -> str:
    return str(value).partition("\n")[0]


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
    rows = [[_first_line(each[name]) for name in names] for each in found["revisions"]]
    print_columns(names, rows, right={"revision"})
    if (trial := found["on_trial"]) is not None:
        print(f"revision {trial} is on trial, and {trial - 1} in force until that is decided")


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
    owner: Annotated[
        str | None,
        typer.Option(help="What that one declares, as a file; api: what calls made."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Make bobr.yaml in a folder of its own below it for each owner."
        ),
    ] = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Print the configuration as files would declare it, a document for each owner; --json has everything.

    What one owner declares is a configuration, which `bobr validate` and `apply` take; what several do is none. Schemas
    are not written: their streams name messages of the registry.

    Example: bobr show --revision 41

    Example: bobr show --owner shop > conf/bobr.yaml
    """
    from bobr.cli.system import controller

    if sum((owner is not None, out is not None, as_json)) > 1:
        raise RejectedError("--owner, --out and --json: choose one")
    path = "/v1/catalog" if revision is None else f"/v1/catalog?revision={revision}"
    with controller(directory) as system:
        found = system.get(path, ASK_SECONDS)
    if as_json:
        print(json.dumps(found))
        return
    exact_output()
    documents = _documents(found, owner)
    if out is not None:
        _write(out, documents)
        return
    if len(documents) > 1:
        print("# of several owners, each a configuration of its own: --owner NAME prints one,")
        print("# and --out FOLDER writes all")
    print("\n---\n".join(documents.values()) if documents else "# nothing is declared")


def _documents(found: Mapping[str, Any], owner: str | None) -> Mapping[str, str]:
    """By owner; of the one alone that is asked for."""
    from bobr.catalog import API, Catalog
    from bobr.catalog.config.render import as_yaml, owners
    from bobr.catalog.nearest import meant

    catalog = Catalog.model_validate(found)
    every = owners(catalog)
    if owner is not None and owner not in every:
        raise NotFoundError(f"nothing is declared by {owner!r}: {meant(owner, every)}")
    return {
        each: f"# revision {catalog.revision}: {MADE_BY_CALLS if each == API else f'declared by {each}'}\n"
        f"{as_yaml(catalog, each)}".rstrip()
        for each in every
        if owner in (None, each)
    }


def _write(out: Path, documents: Mapping[str, str]) -> None:
    """All, or none where one is there already."""
    files = {out / owner / "bobr.yaml": text for owner, text in documents.items()}
    if there := next((file for file in files if file.exists()), None):
        raise RejectedError(f"{there} is there already: choose another folder")
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        except OSError as error:
            raise RejectedError(f"{file} can not be written: {error.strerror}") from error
        print(f"made {file}")


def rollback(
    revision: Number,
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")] = "",
    author: Annotated[
        str | None,
        typer.Option(help="Who, for the history.  [default: git's user, or the system's]"),
    ] = None,
    allow_delete: Annotated[
        bool, typer.Option("--allow-delete", help="Remove what has come since, of all owners.")
    ] = False,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Put what was in force at a revision in force again, as a new revision.

    What events and tables hold stays as it is, keys too, and what is paused. Exit status 1: a part refuses it or has
    not answered in time.

    Example: bobr rollback 41 -m "orders were delivered twice"
    """
    from bobr.cli.origin import author_here
    from bobr.cli.plans import as_text, rollout_lines
    from bobr.cli.system import controller

    body = {
        "revision": revision,
        "message": message,
        "author": author or author_here(Path()),
        "source": f"bobr rollback {revision}",
        "allow_delete": allow_delete,
    }
    with controller(directory, {"allow_delete": "--allow-delete"}) as system:
        answer: Mapping[str, Any] = system.post("/v1/rollback", body, ASK_SECONDS)
    if as_json:
        print(json.dumps(answer))
    else:
        print(as_text(answer["plan"]))
        for line in rollout_lines(answer):
            print(line)
    if not answer["live"]:
        raise typer.Exit(EXIT_PARTLY)
