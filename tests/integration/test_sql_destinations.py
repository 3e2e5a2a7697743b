"""`bobr sql` where several destinations have tables of one name: it says which it reads, and how to read the others."""

import json
import re
from pathlib import Path

import pytest

from bobr.testing.system import System

PROTO = 'syntax = "proto3";\npackage s;\nmessage Order {\n  string event_id = 1;\n}\n'


@pytest.fixture
def table(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """One event in the lake, in another namespace of it, and in two folders, in one of these as `<name>_alone`."""
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[:40].strip("_")
    (tmp_path / "o.proto").write_text(PROTO)
    deliveries = "".join(
        f"  {name}-{to}: {{from: {name}, to: {to}, table: {table}, flush: 100ms}}\n"
        for to, table in (
            ("lake", name),
            (f"{name}-within", name),
            (f"{name}-archive", name),
            (f"{name}-other", f"{name}_alone"),
        )
    )
    (tmp_path / "bobr.yaml").write_text(
        f"owner: {name}\nstreams:\n  {name}: {{proto: o.proto}}\ndeliveries:\n{deliveries}"
        f"destinations:\n  {name}-within: {{kind: iceberg, namespace: {name}_within}}\n"
        f"  {name}-archive: {{kind: iceberg, warehouse: {tmp_path / 'archive'}}}\n"
        f"  {name}-other: {{kind: iceberg, warehouse: {tmp_path / 'other'}}}\n"
    )
    system.ok("apply", str(tmp_path))
    system.ok("publish", name, "-", stdin=json.dumps({"event_id": "a"}))
    system.flush()
    return name


def test_namesakes(system: System, table: str) -> None:
    done = system.ok("sql", f"select event_id from {table}", "--json")
    assert done.json() == [{"event_id": "a"}]
    assert set(done.err.splitlines()) == {
        f"bobr: {table} is that of lake; {table}_within.{table} is that of {table}-within",
        f"bobr: {table} is that of lake; --destination {table}-archive reads the one there",
    }
    within = system.ok("sql", f"from {table}_within.{table}", "--json")
    assert (len(within.json()), within.err) == (1, "")
    archive = ("--destination", f"{table}-archive", "--json")
    there = system.ok("sql", f"from {table}", *archive)
    assert len(there.json()) == 1
    assert f"bobr: {table} is that of {table}-archive; --destination lake reads" in there.err


def test_who_asks_the_wrong_destination_is_told_of_the_right_one(
    system: System, table: str
) -> None:
    elsewhere = system.run("sql", f"from {table}_alone")
    assert elsewhere.status == 2
    assert elsewhere.err.endswith(f"; --destination {table}-other reads the one there\n")
    wrong = system.run("sql", f"from {table}", "--destination", f"{table}-othr")
    assert f"there is no destination '{table}-othr': did you mean '{table}-other'?" in wrong.err


def test_another_destination_than_the_lake_needs_to_be_declared(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").touch()
    done = System(root=tmp_path).run("sql", "from t", "--destination", "archive")
    assert (done.status, "no system runs" in done.err) == (2, True)
