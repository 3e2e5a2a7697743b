"""A query's result as a person reads it."""

import duckdb
import pytest

from bobr.cli.plans import as_markdown, as_text
from bobr.cli.render import print_table
from bobr.errors import Problem


def shown(query: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    relation = duckdb.sql(query)
    assert relation is not None
    print_table(relation.to_arrow_table())
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "column",
    ["sum(a::bigint)", "sum(a)::hugeint", "sum(a)::decimal(9, 2)", "sum(a)::double", "max(a)"],
)
def test_numbers_end_below_each_other(column: str, capsys: pytest.CaptureFixture[str]) -> None:
    query = f"select {column} as number_of_it from values (7), (1234) as t(a) group by a order by a"
    head, *lines = shown(query, capsys)
    assert head == "number_of_it"
    assert [len(line) for line in lines] == [len(head)] * 2
    assert all(line.startswith("  ") for line in lines)


def test_of_two_columns_of_a_name_only_the_number_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    query = "select 'x' as wide, 1 as wide"
    assert shown(query, capsys) == ["wide  wide_1", "x          1"]


FORGED = "/srv\x1b[2J\n- table all.of.them\x9b1m"


def test_what_others_wrote_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown("select chr(27) || '[2J' || chr(10) || 'b' as a", capsys)
    assert [each.rstrip() for each in lines] == ["a", r"\x1b[2J", "b"]
    member = {"member": "warehouse", "before": None, "after": FORGED}
    step = {
        "action": "add",
        "kind": "destination",
        "name": "w",
        "members": [member],
        "touches": [],
        "breaks": [],
    }
    problem = Problem(
        file="a", line=1, column=1, rule="x", message=FORGED, path=f"destinations.{FORGED}"
    )
    lines = [str(problem), *as_text({"steps": [step], "base": 0}).splitlines()]
    assert lines == [
        rf"a:1:1: destinations.{ESCAPED}: {ESCAPED} [x]",
        "+ destination w",
        f"    warehouse: none → {ESCAPED}",
        "1 to add at revision 0",
    ]
    markdown = as_markdown({"steps": [step], "base": 0}, [problem])
    assert all(each.isprintable() for each in markdown.splitlines())
    assert "\n- table" not in markdown


ESCAPED = r"/srv\x1b[2J\n- table all.of.them\x9b1m"
