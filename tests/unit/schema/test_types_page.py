"""docs/reference/types.md is true: its table, and its example."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf import json_format

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files

Build = Callable[..., EventType]
PAGE = (Path(__file__).parents[3] / "docs/reference/types.md").read_text()
SCALAR = re.compile(r"^\| (`[^|]*`) \| `([^|<…]*)` \|", re.MULTILINE)


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found, language
    return found.group(1)


def scalar_rows() -> Iterator[tuple[str, str]]:
    for names, arrow in SCALAR.findall(PAGE.partition("## NULL")[0]):
        for name in re.findall(r"`([\w.]+)`", names):
            known = name[0].isupper()
            yield f"google.protobuf.{name}" if known else name, arrow


def test_the_table_has_the_scalars() -> None:
    assert len(dict(scalar_rows())) == 15 + 2 + 4


@pytest.mark.parametrize(("proto", "arrow"), list(scalar_rows()))
def test_each_type_is_the_column_that_the_table_says(build: Build, proto: str, arrow: str) -> None:
    event = build(
        f"message M {{ {proto} f = 1; repeated {proto} many = 2; map<int32, {proto}> map = 3; }}"
    )
    assert [str(event.columns.field(0).type), str(event.columns.field(1).type)] == [
        arrow,
        f"list<item: {arrow}>",
    ]
    assert event.columns.field("map").type.item_type == event.columns.field(0).type
    assert all(each.nullable for each in event.columns)


def test_the_example_is_true() -> None:
    event = EventType.build(
        compile_files({"shop.proto": block("proto")}, "shop.proto"), "shop.v1.Order"
    )
    message = json_format.Parse(block("json event"), event.message_class())
    decoded = event.decode(pa.array([message.SerializeToString()], pa.binary()))
    assert decoded.columns.schema == event.columns
    (row,) = decoded.columns.to_pylist()
    row["counters"] = {key: int(value) for key, value in row["counters"]}
    wanted = json.loads(block("json row"))
    assert json.loads(json.dumps(row, default=printed)) == wanted
    assert list(row) == list(wanted)


def printed(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, bytes)
    return value.hex()
