"""The parts of the documentation that code tells better: `make docs` writes them, `tests/unit/test_docs.py` compares.

`docs/reference/commands.md` is what `--help` says, at a fixed width; `metrics.md` beside it is the list of metrics.
The file map of `ARCHITECTURE.md` is the first sentence of each module's docstring.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import typer
from typer.core import TyperCommand, TyperGroup

from bobr.cli.commands import build
from bobr.runtime.metrics import CALL_BOUNDS, COMMIT_BOUNDS, METRICS, Metric

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "bobr"
WIDTH = 100
FIRST = (
    "app.py",
    "batch.py",
    "outcome.py",
    "ids.py",
    "errors.py",
    "clock.py",
    "sealed.py",
    "cli",
    "broker",
)
THEN = (
    "schema",
    "validation",
    "log",
    "transmitter",
    "controller",
    "configurator",
    "catalog",
    "runtime",
    "testing",
)
MAP = re.compile(
    r"(?<=<!-- file map: `make docs` writes it -->\n).*(?=<!-- end of the map -->)", re.S
)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`«])")

COMMANDS_HEAD = """# Commands

What `bobr COMMAND --help` says (`make docs` writes this page). Data goes to stdout, words and progress to stderr.

| exit status | |
|---|---|
| 0 | done; also when whoever reads the output has had enough, as `head` |
| 1 | done, but not for all: events were refused, tables are behind or left out, a part is down |
| 2 | not done; the last line on stderr says what is wrong, where, and what to do |
| 70 | a bug in the command: one line on stderr; with `BOBR_TRACE=1` the traceback before it. Please report it |
| 130 | interrupted by Ctrl-C; `bobr publish` says what was accepted until then, and how to go on |
| 143, 129 | ended by SIGTERM or SIGHUP, which `bobr publish` answers as it does Ctrl-C |

| in the environment | |
|---|---|
| `BOBR_DIR` | the data folder, instead of `--dir` |
| `BOBR_URL` | HTTP address of a running system, `http…` or `https…`, no password; before `BOBR_DIR`, after `--dir` |
| `BOBR_KEY`, `BOBR_KEY_FILE` | an API key, or a file that has it: [access](../guides/access.md) |
| `BOBR_CA`, `BOBR_CERT`, `BOBR_CERT_KEY` | PEM files: authorities to trust, and the caller's own certificate and key |
| `BOBR_TRACE` | `1`: whatever goes wrong, print its traceback, too |

`bobr up` and `bobr down` work on the folder only. `bobr sql` reads the tables' files itself: it needs no running
system, but must be on the machine where they are. It only reads: statements that write files (`COPY`, `EXPORT`,
`ATTACH`, `INSTALL`, …) and settings (`SET`) are refused, since the tables are files, too. It can read other files with
your rights (`read_csv`, `read_parquet`), to join them with the tables: do not run queries that you do not trust. To
write Parquet, let any engine that reads Iceberg read the tables.
"""


METRICS_HEAD = """# Metrics

What `GET /metrics` of each part tells, for Prometheus (`make docs` writes this page from the list in the code).
[How to scrape them](../guides/operate.md#metrics), and four alarms, are in the guide.

Labels have names of the catalog, of parts and edges, or words of the code: events for streams that do not exist are
counted under `stream=""`. What is not known is left out. Counters begin anew when their part does.
"""


def pages() -> Mapping[Path, str]:
    """Every file that this script writes or writes a part of, as it should be."""
    architecture = ROOT / "ARCHITECTURE.md"
    return {
        ROOT / "docs" / "reference" / "commands.md": commands(),
        ROOT / "docs" / "reference" / "metrics.md": metrics(),
        architecture: MAP.sub(lambda _: file_map(), architecture.read_text()),
    }


def commands() -> str:
    """The page of commands."""
    app = typer.main.get_command(build())
    assert isinstance(app, TyperGroup)
    return COMMANDS_HEAD + "".join(
        _sections(app, "bobr", app.context_settings["help_option_names"])
    )


def _sections(command: TyperCommand | TyperGroup, name: str, helps: list[str]) -> Iterator[str]:
    context = typer.Context(
        command,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=helps,
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"\n## {name}\n\n```text\n{text}\n```\n"
    if isinstance(command, TyperGroup):
        for member in command.list_commands(context):
            child = command.get_command(context, member)
            assert isinstance(child, TyperCommand | TyperGroup), member
            yield from _sections(child, f"{name} {member}", helps)


def metrics() -> str:
    """The page of metrics: a table for each part."""
    return (
        METRICS_HEAD + "".join(_metrics(part, some) for part, some in METRICS.items()) + _bounds()
    )


def _metrics(part: str, some: Sequence[Metric]) -> str:
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |"
        for each in some
    ]
    head = ["", f"## {part.capitalize()}", "", "| metric | type | labels | |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _bounds() -> str:
    shown = [", ".join(f"{bound:g}" for bound in bounds) for bounds in (COMMIT_BOUNDS, CALL_BOUNDS)]
    return f"""
## Histograms

Bounds of `bobr_transmitter_commit_seconds`: {shown[0]} s. Of the others: {shown[1]} s.
"""


def file_map() -> str:
    """A row for each module, packages in the order of an event's path."""
    rows = [f"| `{path.relative_to(SOURCE)}` | {_first_sentence(path)} |" for path in _modules()]
    return "\n".join(["", "| in `src/bobr/` | |", "|---|---|", *rows, "", ""])


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"), key=_place)


def _place(path: Path) -> tuple[int, tuple[tuple[bool, str], ...]]:
    """Packages in their order; in each, its own `__init__`, its modules, then what is deeper."""
    top, *_ = parts = path.relative_to(SOURCE).parts
    order = ["__init__.py", *FIRST, *THEN]
    rank = order.index(top) if top in order else len(order)
    *folders, name = parts
    return rank, (*((True, folder) for folder in folders), (False, name))


def _first_sentence(path: Path) -> str:
    if path.stem.endswith("_pb2"):
        return f"Generated from `proto/bobr/v1/{path.stem.removesuffix('_pb2')}.proto`."
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return SENTENCE_END.split(paragraph)[0].replace("|", r"\|")


if __name__ == "__main__":
    for page, content in pages().items():
        page.write_text(content)
