"""The documentation against the code: what it lists is there, what is there is listed, generated pages are fresh."""

import ast
import importlib
import re
import runpy
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bobr.broker.limits import Limits as BrokerLimits
from bobr.cli.status import COLUMNS
from bobr.log import Limit
from bobr.log.sqlite import SqliteLimits
from bobr.outcome import Reason
from bobr.runtime.metrics import METRICS
from bobr.transmitter.flush import FlushPolicy
from bobr.transmitter.status import State
from bobr.transmitter.wiring import Limits as TransmitterLimits
from bobr.v1 import broker_pb2, configuration_pb2

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "bobr"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"`([\w./-]+\.(?:py|proto|md|yaml))`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:`|\$ )make (\w+)")
BOUND = re.compile(
    r"[A-Z].*(MAX|SECONDS|BYTES|EVENTS|ROWS|FILES|CHUNKS|AGE|AHEAD|DOCUMENTS|FACTOR|FIRST)|ATTEMPTS|BACKLOG|READ|ROWS_SHOWN"
)
"""Names of constants that bound something."""
NO_BOUNDS = {
    "schema.columns.times": "ranges of protobuf's types: docs/reference/types.md",
    "schema.json.sure": "likewise",
    "log.sqlite.chunk.COMPRESS_FROM_BYTES": "smaller ones are stored as they are",
    "log.sqlite.database.PAGE_BYTES": "the shape of the file",
    "runtime.memory.GROWN_BYTES": "when it is worth while",
}


def read(page: str) -> str:
    return (ROOT / page).read_text()


def prose(page: Path) -> str:
    """Without the blocks of code."""
    return FENCE.sub("", page.read_text())


def test_generated_pages_are_fresh() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    for page, content in generate["pages"]().items():
        assert page.read_text() == content, f"{page.relative_to(ROOT)}: run `make docs`"


def test_the_file_map_has_every_module_once() -> None:
    rows = re.findall(r"^\| `([\w/]+\.py)` \| \S", ARCHITECTURE, re.MULTILINE)
    assert sorted(rows) == sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize(
    "page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/explanation/promises.md"]
)
def test_files_that_are_named_exist(page: str) -> None:
    names = set(FILE.findall(prose(ROOT / page)))
    assert names
    assert {name for name in names if not _exists(name)} == set()


def _exists(name: str) -> bool:
    """From the root or from the source; a bare name anywhere."""
    if any((at / name).exists() for at in (ROOT, SOURCE)):
        return True
    return "/" not in name and any(any(at.rglob(name)) for at in (SOURCE, ROOT / "tests"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), f"{target}: no such file"
            assert not anchor or anchor in set(_anchors(found)), f"{target}: no such heading"


def _anchors(page: Path) -> Iterator[str]:
    """As GitHub makes them from headings."""
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_index_has_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in LINK.findall(index.read_text())}
    assert {page for page in PAGES if page not in linked and page != index} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    assert set(MAKE.findall(page.read_text())) <= targets


@pytest.mark.parametrize("limits", [BrokerLimits, TransmitterLimits, FlushPolicy, SqliteLimits])
def test_limits_are_listed_with_their_values(limits: type[Any]) -> None:
    page = read("docs/reference/limits.md")
    table = page.split(f"`{limits.__module__}.{limits.__name__}`")[1].lstrip().split("\n\n")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", table, re.MULTILINE))
    values = limits()
    expected = {
        field.name: _said(field.name, getattr(values, field.name)) for field in fields(limits)
    }
    assert rows == expected


def test_bounds_beside_them_are_listed_with_their_values() -> None:
    page = read("docs/reference/limits.md")
    rows = re.findall(r"^\| `([\w.]+\.[A-Z_]+)` \| ([^|]+?) \|", page, re.MULTILINE)
    expected = {name: _said(name.lower(), value) for name, value in _bounds()}
    assert dict(rows) == expected
    assert len(rows) == len(expected), "one row each"


def _bounds() -> Iterator[tuple[str, object]]:
    """Constants at the top of modules: `part.module.NAME` and the value."""
    for path in SOURCE.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if module.startswith(("testing", "v1")):
            continue
        for name in _constants(ast.parse(path.read_text())):
            if BOUND.fullmatch(name) and not {module, f"{module}.{name}"} & NO_BOUNDS.keys():
                yield f"{module}.{name}", getattr(importlib.import_module(f"bobr.{module}"), name)


def _constants(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else ()
        yield from (target.id for target in targets if isinstance(target, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _said(name: str, value: object) -> str:
    """A value as the page writes it."""
    match value:
        case FlushPolicy():
            return "below"
        case int() if "factor" in name:
            return f"{value}"
        case int() if "bytes" in name and value < 1024:
            return f"{value} bytes"
        case int() if "bytes" in name:
            unit, size = ("MiB", 1024 * 1024) if value % (1024 * 1024) == 0 else ("KiB", 1024)
            return f"{value // size} {unit}"
        case int():
            return f"{value:,}"
        case float():
            return f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"
        case Limit():
            return f"{value.events:,} events, {_said('bytes', value.nbytes)}"
        case timedelta():
            return f"{value.total_seconds() / 60:g} min"
        case _:
            raise AssertionError(f"{name}: no words for {value!r}")


def test_the_reference_of_grpc_has_all_that_the_protocol_has() -> None:
    page = read("docs/reference/grpc.md")
    for message in broker_pb2.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            assert f"`{field.name}`" in page, f"{message.name}.{field.name}"
    for enum in broker_pb2.DESCRIPTOR.enum_types_by_name.values():
        for value in enum.values:
            assert value.name in page
    for call in configuration_pb2.DESCRIPTOR.services_by_name["Configuration"].methods:
        assert f"`{call.name}`" in page, call.name


def test_producers_are_told_what_to_do_for_each_reason() -> None:
    for page in ("docs/guides/producers.md", "docs/reference/http.md"):
        for reason in Reason:
            assert f"`REASON_{reason.name}`" in read(page)


def test_operators_are_told_what_each_state_and_column_of_the_status_means() -> None:
    page = read("docs/guides/operate.md")
    columns = {column for row in COLUMNS.values() for column in row}
    states = {*State, "running", "starting", "silent", "stranger", "unknown"}
    assert {word for word in columns | states if f"`{word}`" not in page} == set()


def test_the_page_of_metrics_has_each_of_the_list_once() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| (.+) \|$", read("docs/reference/metrics.md"), re.M
    )
    assert rows == [
        (each.name, each.kind, ", ".join(f"`{label}`" for label in each.labels), each.help)
        for some in METRICS.values()
        for each in some
    ]


def test_guides_name_metrics_that_there_are() -> None:
    names = {each.name for some in METRICS.values() for each in some}
    told = set(
        re.findall(
            r"bobr_(?:broker|transmitter|controller|configurator)_\w+",
            read("docs/guides/operate.md"),
        )
    )
    assert told
    assert told <= names


def test_lines_that_operators_are_told_of_are_said_somewhere() -> None:
    section = read("docs/guides/operate.md").split("## Lines, and what to do")[1].split("\n## ")[0]
    said = [text for path in SOURCE.rglob("*.py") for text in _texts(ast.parse(path.read_text()))]
    lines = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    assert len(lines) > 20
    assert [line for line in lines if not _is_said(line, said)] == []


def _texts(node: ast.AST) -> Iterator[str]:
    """Texts of the code, with `…` for what is put into them."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        yield "".join(map(str, parts)).replace("`", "")
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.replace("`", "")
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _is_said(line: str, said: Iterable[str]) -> bool:
    pattern = re.compile(".*".join(map(re.escape, line.strip("…").split("…"))))
    return any(pattern.search(text) for text in said)


def test_the_reference_of_http_has_every_path_and_status() -> None:
    page = read("docs/reference/http.md")
    for path in re.findall(r'Route\("([^"]+)"', read("src/bobr/controller/api.py")):
        assert f"`GET {path}`" in page or f"`POST {path}`" in page, path
    numbers = {
        node.value
        for module in ("http_edge.py", "bodies.py")
        for node in ast.walk(ast.parse(read(f"src/bobr/broker/{module}")))
        if isinstance(node, ast.Constant) and isinstance(node.value, int)
    }
    for status in {number for number in numbers if 200 <= number < 500}:
        assert f"| {status} |" in page, status


@pytest.mark.parametrize("name", ["shop.proto", "orders.ndjson"])
def test_files_of_the_tutorial_are_those_that_it_shows(name: str) -> None:
    block = re.search(
        rf"^```\w+ {name}\n(.*?)^```$", read("docs/tutorial/first-table.md"), re.M | re.S
    )
    assert block is not None
    assert read(f"docs/tutorial/{name}") == block[1]
