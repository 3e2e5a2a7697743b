"""A query's result for a person or a program."""

import base64
import csv
import datetime as dt
import decimal
import json
import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TextIO

import pyarrow as pa

from bobr.errors import plain

ROWS_SHOWN = 1_000
LINE_CHARACTERS_MAX = 100_000


def print_json(result: pa.Table, out: TextIO) -> None:
    """A list of objects, a row a line. int64 stay numbers; decimals, times and bytes become text."""
    rows = (json.dumps(_plain(row), ensure_ascii=False) for row in _rows(result))
    out.write("[" + ",\n ".join(rows) + "]\n")


def print_csv(result: pa.Table, out: TextIO) -> None:
    """Header and rows; nested values as JSON, NULL as nothing, as an empty text too: --json tells them apart."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_names(result))
    writer.writerows([_text(value) for value in row.values()] for row in _rows(result))


def print_table(result: pa.Table) -> None:
    """Columns for a person, at most `ROWS_SHOWN` rows; stderr says how many more there are."""
    shown = _rows(result.slice(0, ROWS_SHOWN))
    rows = [["NULL" if each is None else _text(each) for each in row.values()] for row in shown]
    names = _names(result)
    numbers = {
        name for name, kind in zip(names, result.schema.types, strict=True) if _is_number(kind)
    }
    print_columns(names, rows, right=numbers)
    if result.num_rows > ROWS_SHOWN:
        more = result.num_rows - ROWS_SHOWN
        print(f"bobr: … {more:,} more rows: --json or --csv prints all", file=sys.stderr)


def _is_number(kind: pa.DataType) -> bool:
    """HUGEINT, such as the sum() of integers, comes as a decimal."""
    return any((pa.types.is_integer(kind), pa.types.is_floating(kind), pa.types.is_decimal(kind)))


def print_columns(
    names: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()
) -> None:
    """Columns as wide as their values: a terminal wraps what is too long, a pipe gets whole lines.

    Lines of a value stay below each other; nothing in it commands the terminal.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(
            _plain_lines(name), justify="right" if name in right else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*map(_plain_lines, row))
    console = Console(highlight=False, markup=False, emoji=False, width=LINE_CHARACTERS_MAX)
    console.print(table, soft_wrap=True)


def _plain_lines(text: str) -> str:
    return "\n".join(map(plain, text.split("\n")))


def _rows(result: pa.Table) -> list[dict[str, object]]:
    """Each row by the names of `_names`."""
    named = result.rename_columns(_names(result))
    rows: list[dict[str, object]] = named.to_pylist(maps_as_pydicts="lossy")
    return rows


def _names(result: pa.Table) -> list[str]:
    """Columns of a join may share a name: later ones get a number, as DuckDB does in its own tables."""
    names: list[str] = []
    for name in result.column_names:
        numbered = (name, *(f"{name}_{number}" for number in range(1, result.num_columns)))
        names.append(next(each for each in numbered if each not in names))
    return names


def _text(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: object) -> object:
    """The value as JSON has it; NaN and infinities as text, as protobuf's JSON writes them."""
    match value:
        case Mapping():
            return {str(_plain(name)): _plain(member) for name, member in value.items()}
        case list():
            return [_plain(element) for element in value]
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() else str(value)
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case _:
            return value
