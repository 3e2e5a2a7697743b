"""Bodies into documents: NDJSON in any chunks, arrays, and what attackers send."""

import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.errors import RejectedError
from bobr.outcome import Reason
from bobr.schema.json import Lines, NdjsonSplitter, split_array


def split(chunks: list[bytes], line_bytes_max: int = 100) -> Lines:
    """A whole body, in these chunks."""
    splitter = NdjsonSplitter(line_bytes_max)
    parts = [*map(splitter.feed, chunks), splitter.finish()]
    return Lines(
        indices=[index for part in parts for index in part.indices],
        documents=[document for part in parts for document in part.documents],
        rejected=tuple(rejection for part in parts for rejection in part.rejected),
    )


def test_lines_in_one_chunk() -> None:
    lines = split([b'{"a":1}\n\n \t\r\n{"a":2}\r\n  {"a":3} '])
    assert lines.documents == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    assert lines.indices == [0, 1, 2]
    assert lines.rejected == ()


def test_a_line_over_many_chunks() -> None:
    assert split([b"{", b'"a"', b":1}", b"\n", b"{}"]).documents == [b'{"a":1}', b"{}"]


def test_an_empty_body() -> None:
    assert split([]).documents == []
    assert split([b""]).documents == []
    assert split([b"\n\n"]).documents == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_limit_is_of_the_line_without_its_end(end: bytes) -> None:
    assert split([b"x" * 100 + end]).documents == [b"x" * 100]
    assert split([b"x" * 101 + end]).rejected[0].reason is Reason.TOO_LARGE


def test_a_too_long_line_leaves_its_neighbours_alone() -> None:
    lines = split([b"{}\n", b"x" * 60, b"x" * 60, b"x\n", b"[]\n"])
    assert (lines.documents, lines.indices) == ([b"{}", b"[]"], [0, 2])
    assert [(each.index, each.reason) for each in lines.rejected] == [(1, Reason.TOO_LARGE)]
    assert "100 bytes" in lines.rejected[0].message


def test_space_is_not_cut_off_to_fit() -> None:
    assert len(split([b" " * 200, b"{}\n"]).rejected) == 1


def test_an_endless_line_takes_no_memory() -> None:
    splitter = NdjsonSplitter(1000)
    chunk = b"x" * 10_000
    tracemalloc.start()
    for _ in range(1000):
        splitter.feed(chunk)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000
    assert len(splitter.finish().rejected) == 1


@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line)),
    cuts=st.lists(st.integers(0, 200)),
    is_ended=st.booleans(),
)
def test_chunks_make_no_difference(lines: list[bytes], cuts: list[int], is_ended: bool) -> None:
    body = b"\n".join(lines) + b"\n" * is_ended
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(places)]
    found = split(chunks, line_bytes_max=8)
    expected = [line.removesuffix(b"\r") for line in lines]
    expected = [line for line in expected if len(line) > 8 or line.strip(b" \t\r")]
    kept = dict(zip(found.indices, found.documents, strict=True))
    too_large = {rejection.index for rejection in found.rejected}
    assert kept.keys() | too_large == set(range(len(expected)))
    for index, line in enumerate(expected):
        assert (index in too_large) == (len(line) > 8)
        assert index in too_large or kept[index] == line.strip(b" \t\r")


def test_elements_of_an_array_are_cut_out_as_they_are() -> None:
    body = b' [ {"a" : 1}, [2],\n"x,]\\"", 1.50 ,null] '
    assert split_array(body) == [b'{"a" : 1}', b"[2]", b'"x,]\\""', b"1.50", b"null"]


@pytest.mark.parametrize("body", [b"[]", b" [ ] "])
def test_an_empty_array(body: bytes) -> None:
    assert split_array(body) == []


@pytest.mark.parametrize("body", [b'{"a":1}', b"", b"nonsense", b'"["', b"\xef\xbb\xbf[]"])
def test_what_is_no_array_is_one_document(body: bytes) -> None:
    assert split_array(body) == [body]


@pytest.mark.parametrize(
    ("element", "why"),
    [
        (b'"\\ud800"', "a lone surrogate"),
        (b'"\xff"', "invalid UTF-8"),
        (b"9" * 10_000, "a number that Python does not read"),
        (b"NaN", "a number that JSON does not have"),
        (b"1e400", "a number that floats do not have"),
        (b'{"a":1,"a":2}', "a key twice"),
    ],
)
def test_a_bad_element_leaves_its_neighbours_alone(element: bytes, why: str) -> None:
    assert split_array(b'[{"a":1}, ' + element + b" ,2]") == [b'{"a":1}', element, b"2"], why


@pytest.mark.parametrize(
    "body",
    [b"[", b'["', b"[1", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"[1] 2", b"[1]]", b"[{]}", b"[\xff]"],
)
def test_a_broken_array_is_one_error(body: bytes) -> None:
    with pytest.raises(RejectedError, match=r"not a JSON array: .*(?<! at) at byte"):
        split_array(body)


def test_a_depth_bomb_is_one_error() -> None:
    with pytest.raises(RejectedError, match="nested too deep"):
        split_array(b"[" * 100_000 + b"]" * 100_000)


def test_too_many_elements_are_one_error() -> None:
    assert split_array(b"[1,2,3]", elements_max=3) == [b"1", b"2", b"3"]
    with pytest.raises(RejectedError, match="more than 2 events in one array: send NDJSON"):
        split_array(b"[1,2,3]", elements_max=2)


def test_many_commas_are_not_many_elements() -> None:
    assert split_array(b'[",,,,,"]', elements_max=2) == [b'",,,,,"']


@given(st.lists(st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists)))
def test_arrays_of_anything(values: list[object]) -> None:
    elements = [json.dumps(value).encode() for value in values]
    assert split_array(b"[" + b" ,".join(elements) + b"]") == elements
