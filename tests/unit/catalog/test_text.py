"""Files that are hostile, or odd: each is told where it is wrong, in time and space in proportion to its size."""

import pytest

from bobr.catalog.config.bundle import Bundle
from bobr.catalog.config.load import load
from bobr.catalog.config.text import VALUES_MAX
from bobr.controller.proposal import checked_alone
from bobr.errors import MORE, PROBLEMS_MAX, Problem, ProblemsError, first_of

MANY = 20_000
BYTES = 1_000_000


def told(text: str) -> list[str]:
    return list(map(str, load({"a.yaml": text})[1]))


@pytest.mark.parametrize("letter", ["e", "é", "🦫"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_character_that_can_not_be_is_told_where_it_stands(letter: str, end: str) -> None:
    (problem,) = told(
        end.join([f"# {letter * 40}", f"# {letter * 40}", "streams:", "  or\x07ders: {}"])
    )
    assert problem.startswith("a.yaml:4:5: ")


@pytest.mark.parametrize("character", "\x85\u2028\u2029")
def test_what_ends_a_line_for_some_readers_alone_is_told(character: str) -> None:
    text = f"# é\nstreams:\n  orders: {{messag: a.B}}  # a{character}b\n"
    (problem,) = told(text)
    assert problem.startswith(f"a.yaml:3:29: U+{ord(character):04X} ends a line for some")


HOSTILE = {
    "references in references": f"destinations:\n  a: {{kind: iceberg, warehouse: '/{'${env:' * (BYTES // 6)}'}}",
    "no tables": f"principals:\n  a:\n    tables: [{'1,' * MANY}]",
    "no streams": f"principals:\n  a:\n    publish: [{'A,' * MANY}]",
    "empty deliveries": "deliveries:\n" + "".join(f" {i}:\n" for i in range(MANY)),
    "keys that are none": "streams:\n" + "".join(f" {i}: {{[]: 1}}\n" for i in range(MANY)),
    "names like a section's": "".join(f"stream{i}:\n" for i in range(MANY)),
    "unknown members": "streams:\n a:\n" + "".join(f"  x{i}:\n" for i in range(MANY)),
    "wrong names": "principals: {a: {publish: [" + ",".join(f"b{i}" for i in range(MANY)) + "]}}",
    "sources": "routes: {r: {to: z, from: [" + ",".join(f"b{i}" for i in range(MANY)) + "]}}",
    "a chain": "routes:\n"
    + "".join(f" r{i}: {{from: [s{i}], to: s{i + 1}}}\n" for i in range(MANY)),
    "circles": "routes:\n"
    + "".join(f" r{i}: {{from: [s{i}], to: s{i + 1}}}\n" for i in range(MANY // 4))
    + "".join(f" q{i}: {{from: [s{i}], to: s0}}\n" for i in range(MANY // 4)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_made_to_be_looked_at_for_long_is_not(text: str) -> None:
    """The first two took longer than a test may; the time of the others, too, grew with the square of their size."""
    bundle = Bundle(files={"a.yaml": text})
    problems = checked_alone(bundle, load(bundle.files)).problems
    assert sum(len(str(each)) for each in problems) < 500 * 3 * MANY


def test_a_configuration_of_ten_times_the_size_that_is_measured_is_read() -> None:
    """As `bench/catalog.py` makes it: 20,000 streams and deliveries, 5,000 routes, in one file."""
    lines = ["streams:"]
    lines += [
        f"  s{i}: {{message: p.Order, proto: p.proto, retention: 7d, key: id}}" for i in range(MANY)
    ]
    lines += ["deliveries:"]
    lines += [f"  d{i}: {{from: s{i}, table: shop.t{i}, dedup: 24h}}" for i in range(MANY)]
    lines += ["routes:"]
    lines += [
        f"  r{i}: {{from: [s{i}], where: event.total > 1.0, to: s0}}" for i in range(MANY // 4)
    ]
    assert told("\n".join(lines)) == []


def test_a_file_of_too_many_values_is_refused() -> None:
    (problem,) = told(f"streams: [{'1,' * VALUES_MAX}]")
    assert f"more than {VALUES_MAX:,} values in one file: make several [syntax]" in problem


def test_of_too_many_problems_the_first_are_told_and_how_many_more_there_are() -> None:
    problems = [
        Problem(file="a.yaml", line=line, column=1, rule="syntax", message="no")
        for line in range(1, PROBLEMS_MAX + 2)
    ]
    assert first_of(problems[:-1]) == problems[:-1]
    *first, last = ProblemsError(problems).problems
    assert first == problems[: PROBLEMS_MAX - 1]
    assert str(last) == f"2 more problems are not told: mend these first [{MORE}]"
    assert first_of([*first, last]) == [*first, last], "nothing is lost by asking twice"
