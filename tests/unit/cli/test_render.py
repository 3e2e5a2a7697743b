"""A query's result as a person reads it."""

import duckdb
import pytest

from bobr.cli.render import print_table


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
