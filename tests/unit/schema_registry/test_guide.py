"""Every change that the guide says is refused is refused, in those very words."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.schema.source.evolution import check

GUIDE = Path(__file__).parents[3].joinpath("docs/guides/schema.md").read_text()
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+ \[[A-Z_]+\]) \|$", GUIDE, re.MULTILINE)
EXAMPLE = re.findall(r"```proto\n(syntax.+?)```", GUIDE, re.DOTALL)


def test_there_are_rows() -> None:
    assert len(ROWS) == GUIDE.count("] |\n") > 10
    assert len(EXAMPLE) == 1


@pytest.mark.parametrize(("before", "after", "said"), ROWS)
def test_it_is_refused_in_these_words(
    compiled: Callable[[str], FileDescriptorSet], before: str, after: str, said: str
) -> None:
    old, new = (compiled(f"message A {{ {fields} }}") for fields in (before, after))
    columns = (EventType.build(old, "p.A").columns, EventType.build(new, "p.A").columns)
    problems = check(old, new, "p.A", columns=columns)
    assert said in [str(each).split(": ", 1)[1] for each in problems]
    assert {(each.file, each.line) for each in problems} == {("p.proto", 5)}
    assert check(old, old, "p.A", columns=(columns[0], columns[0])) == []


def test_the_example_is_an_event() -> None:
    event_type = EventType.build(
        compile_files({"order.proto": EXAMPLE[0]}, "order.proto"), "shop.v1.Order"
    )
    assert event_type.columns.names == ["order_id", "placed_at", "customer", "items"]
