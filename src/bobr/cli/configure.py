"""`bobr validate`, `plan` and `apply`: a folder of configuration, from a pull request to every running part."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json, Options, is_named, waiting
from bobr.errors import MORE, Problem, UnavailableError, first_of, plain

if TYPE_CHECKING:
    from bobr.catalog.config.bundle import Bundle
    from bobr.catalog.config.load import Loaded

CONSENTS: Options = {"allow_delete": "--allow-delete", "take_over": "--take-over"}
APPLY_SECONDS = 300.0
"""For an answer: schemas of thousands of new streams are registered one after the other."""


class Format(StrEnum):
    """How problems are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class PlanFormat(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


Conf = Annotated[Path, typer.Argument(help="A folder with .yaml files at any depth, or one file.")]
AllowDelete = Annotated[
    bool,
    typer.Option(
        "--allow-delete", help="Remove what the files declared before and do not any more."
    ),
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over", help="Declare from now on what another owner has, such as calls of the API."
    ),
]


def validate(  # noqa: PLR0913, PLR0917  # the options of the command
    context: typer.Context,
    conf: Conf = Path("conf"),
    format_: Annotated[
        Format, typer.Option("--format", help="github: as annotations of a pull request.")
    ] = Format.TEXT,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            help="Look at the files alone, and ask no system: what others declare is not known then.",
        ),
    ] = False,
    allow_delete: AllowDelete = False,
    take_over: TakeOver = False,
    directory: Dir = DIR,
) -> None:
    """Check configuration files: every problem at once, with file, line and column.

    Against the system that runs here; if none does, by themselves, which stderr says. One that BOBR_URL, --dir or
    BOBR_DIR name has to answer. Exit status 1: there are problems; 2: nobody answers.

    Example: bobr validate conf/ --format github
    """
    from bobr.cli.bundle import read_and_loaded
    from bobr.cli.system import problems_in

    bundle, loaded = read_and_loaded(conf)
    body = None if offline else _ask(bundle, allow_delete=allow_delete, take_over=take_over)
    answer = None if body is None else _asked(directory, body, must=is_named(context))
    answer = _alone(bundle, loaded) if answer is None else answer
    problems = problems_in(answer["problems"], CONSENTS)
    _show_problems(problems, format_, answer)
    if problems:
        raise typer.Exit(EXIT_PARTLY)


def plan(
    conf: Conf = Path("conf"),
    format_: Annotated[
        PlanFormat, typer.Option("--format", help="markdown: as a comment of a pull request.")
    ] = PlanFormat.TEXT,
    allow_delete: AllowDelete = False,
    take_over: TakeOver = False,
    directory: Dir = DIR,
) -> None:
    """Show what applying the files would do: objects, streams, tables, columns, parts, and what it would break.

    Nothing is changed. Exit status 1: there are problems, which are shown, too.

    Example: bobr plan conf/ --format markdown
    """
    from bobr.cli.bundle import read_bundle
    from bobr.cli.plans import as_markdown, as_text
    from bobr.cli.system import controller, problems_in

    body = _ask(read_bundle(conf), allow_delete=allow_delete, take_over=take_over)
    with controller(directory) as system:
        answer: Mapping[str, Any] = system.post("/v1/plan", body, APPLY_SECONDS)
    problems = problems_in(answer["problems"], CONSENTS)
    match format_:
        case PlanFormat.JSON:
            print(json.dumps(answer))
        case PlanFormat.MARKDOWN:
            print(as_markdown(answer["plan"], problems))
        case _:
            print(as_text(answer["plan"]))
            for each in problems:
                print(each, file=sys.stderr)
    if problems:
        raise typer.Exit(EXIT_PARTLY)


def apply(  # noqa: PLR0913, PLR0917  # the options of the command
    conf: Conf = Path("conf"),
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")] = "",
    author: Annotated[
        str | None,
        typer.Option(help="Who, for the history.  [default: git's user, or the system's]"),
    ] = None,
    base: Annotated[
        int | None,
        typer.Option(
            help="Only if this revision is in force, such as the one that was planned on."
        ),
    ] = None,
    canary: Annotated[
        int,
        typer.Option(
            help="So many instances of each part run it first; all follow when none refuses.", min=0
        ),
    ] = 0,
    no_auto_rollback: Annotated[
        bool,
        typer.Option(
            "--no-auto-rollback", help="Keep the revision in force even if a part refuses it."
        ),
    ] = False,
    timeout: Annotated[float, waiting("Seconds to wait for the answers of the parts.", 600)] = 15.0,
    allow_delete: AllowDelete = False,
    take_over: TakeOver = False,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Put the files in force as a new revision, and show what each part answers. Again does nothing.

    A revision that a part refuses is taken back: the one before comes back as a new one. Exit status 1: refused, or
    some part has not answered in time.

    Example: bobr apply conf/ -m "orders to hive"
    """
    from bobr.cli.bundle import read_bundle
    from bobr.cli.origin import author_here, source_of
    from bobr.cli.plans import as_text, rollout_lines
    from bobr.cli.system import controller

    body = {
        **_ask(read_bundle(conf), allow_delete=allow_delete, take_over=take_over),
        "message": message,
        "author": author or author_here(conf),
        "source": source_of(conf),
        "base": base,
        "canary": canary,
        "auto_rollback": not no_auto_rollback,
        "wait_seconds": timeout,
    }
    with controller(directory, CONSENTS) as system:
        answer: Mapping[str, Any] = system.post("/v1/apply", body, APPLY_SECONDS + timeout)
    if as_json:
        print(json.dumps(answer))
    else:
        print(as_text(answer["plan"]))
        for line in rollout_lines(answer):
            print(line)
    if not answer["live"]:
        raise typer.Exit(EXIT_PARTLY)


def _ask(bundle: "Bundle", *, allow_delete: bool, take_over: bool) -> dict[str, object]:
    return {
        "bundle": bundle.model_dump(mode="json"),
        "consent": {"allow_delete": allow_delete, "take_over": take_over},
    }


def _asked(directory: Path, body: Mapping[str, object], *, must: bool) -> Mapping[str, Any] | None:
    """None: no system runs here. UnavailableError: the one that runs, or `must`, does not answer."""
    from bobr.cli.system import controller
    from bobr.runtime.folder import Folder, is_held

    try:
        with controller(directory) as system:
            return system.post("/v1/validate", body, APPLY_SECONDS)
    except UnavailableError as error:
        if must or is_held(Folder(root=directory)):
            message = f"{error}; with --offline the files are checked by themselves"
            raise UnavailableError(message) from error
        print(f"bobr: the files are checked by themselves: {error}", file=sys.stderr)
        return None


def _alone(bundle: "Bundle", loaded: "Loaded") -> Mapping[str, Any]:
    """As the controller would answer that had nothing yet and knew no registry."""
    from dataclasses import asdict

    from bobr.controller.proposal import checked_alone

    proposal = checked_alone(bundle, loaded)
    return {
        "problems": [asdict(each) for each in first_of(proposal.problems)],
        "revision": None,
        "objects": proposal.counts,
    }


def _show_problems(problems: Sequence[Problem], format_: Format, answer: Mapping[str, Any]) -> None:
    if format_ is Format.JSON:
        print(json.dumps(answer))
        return
    lines = map(_annotation, problems) if format_ is Format.GITHUB else map(str, problems)
    for line in lines:
        print(line)
    if problems:
        number, more = len(problems), " and more" if problems[-1].rule == MORE else ""
        print(f"bobr: {number} problem{'s' if number > 1 else ''}{more}", file=sys.stderr)
    else:
        declared = ", ".join(_counted(answer["objects"])) or "nothing is declared"
        print(f"valid: {declared}{_against(answer)}")


def _counted(objects: Mapping[str, int]) -> Iterator[str]:
    for kind, number in objects.items():
        one = {"deliveries": "delivery"}.get(kind, kind.removesuffix("s"))
        yield f"{number:,} {one if number == 1 else kind}"


def _against(answer: Mapping[str, Any]) -> str:
    revision = answer["revision"]
    return "" if revision is None else f", against revision {revision}"


def _annotation(problem: Problem) -> str:
    """As GitHub Actions reads it from a log."""
    place = f"file={_escaped(problem.file)}"
    if problem.line:
        place += f",line={problem.line},col={problem.column}"
    words = f"{problem.path}: {problem.message}" if problem.path else problem.message
    return f"::error {place},title={_escaped(problem.rule)}::{_data(words)}"


def _data(text: str) -> str:
    return plain(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escaped(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
