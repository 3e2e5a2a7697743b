"""What a file or a pipe brings, cut into events: whole, in order, with the numbers of their lines, however it comes."""

import gzip
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.cli import lines as module
from bobr.cli.input import Source
from bobr.cli.lines import events
from bobr.errors import RejectedError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


def cut(text: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for size in itertools.chain(sizes, [len(text)]):
        if text[at : at + size]:
            yield text[at : at + size]
        at += size


def read(text: bytes, sizes: Iterable[int] = ()) -> list[tuple[int, bytes]]:
    pieces = events(cut(text, sizes), "input")
    return [(line.number, line.text) for piece in pieces for line in piece]


def documents(text: bytes, sizes: Iterable[int] = ()) -> list[object]:
    return [json.loads(line) for _, line in read(text, sizes)]


FORMS: Mapping[str, Callable[[list[dict[str, object]]], str]] = {
    "lines": lambda each: "\n".join(map(json.dumps, each)),
    "lines with blanks": lambda each: "\r\n \r\n".join(map(json.dumps, each)) + "\r\n",
    "array": json.dumps,
    "array over lines": lambda each: json.dumps(each, indent=1, ensure_ascii=False),
    "array without brackets": lambda each: ",\n".join(map(json.dumps, each)) + ",\n",
    "pretty": lambda each: "\n".join(json.dumps({"a": 0, **one}, indent=2) for one in each),
}


@pytest.mark.parametrize("form", FORMS)
@given(
    objects=st.lists(OBJECTS, min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 20), max_size=8),
    mark=st.booleans(),
)
def test_every_form_gives_the_same_events(
    form: str, objects: list[dict[str, object]], sizes: list[int], *, mark: bool
) -> None:
    text = FORMS[form](objects).encode()
    expected = [{"a": 0, **each} for each in objects] if form == "pretty" else objects
    assert documents(b"\xef\xbb\xbf" * mark + text, [3, *sizes]) == expected


@given(
    st.lists(st.sampled_from([b"{}", b'{"a": 1}', b"", b" \t", b'{"a":', b"x", b'"', b"\xff"])),
    st.lists(st.integers(1, 9), max_size=8),
)
def test_lines_keep_their_bytes_and_numbers(texts: list[bytes], sizes: list[int]) -> None:
    """Broken ones are the broker's to judge, each by itself."""
    body = b"\n".join([b"{}", *texts])
    numbered = enumerate([b"{}", *texts], 1)
    expected = [(number, text) for number, text in numbered if text.strip()]
    found = [(number, text.rstrip(b"\n")) for number, text in read(body, sizes)]
    assert found == expected


@given(st.lists(st.integers(1, 9), max_size=12))
def test_a_mark_is_no_event_wherever_a_file_was_put_behind_another(sizes: list[int]) -> None:
    """The broker passes it over where a body begins, and would count such a line as blank there alone."""
    mark = b"\xef\xbb\xbf"
    body = b"{}\n" + mark + b"\n" + mark + b'{"a": 1}\n{}\n' + mark
    assert read(body, sizes) == [(1, b"{}\n"), (3, b'{"a": 1}\n'), (4, b"{}\n")]


@given(st.lists(st.integers(1, 9), max_size=12))
def test_documents_tell_the_line_where_they_begin(sizes: list[int]) -> None:
    body = b'[\n  {"a":\n 1}, {"b": 2},\n\n{"c": [3\n]}\n]\n'
    assert [number for number, _ in read(body, sizes)] == [2, 3, 5]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1\n{"a": 2}\n',
        b'{"a": {\n{"a": 2}\n',
        b'{"a": "x\n{"a": 2}\n',
        b"nonsense\n{}\n",
        b'Starting, "now"\n{"a": 1, "b": 2}\n',
        b'{"a": },\n{"a": 2}\n',
        b"a,b\n",
        b'{"a":' * 100_000 + b"\n{}\n",
        b'{"a": ' + b"9" * 5_000 + b"}\n{}\n",
    ],
    ids=[
        "cut",
        "cut in a member",
        "cut in a text",
        "no JSON",
        "words",
        "cut element",
        "names",
        "deep",
        "long number",
    ],
)
def test_one_broken_line_does_not_make_another_form_of_a_file(body: bytes) -> None:
    assert [text for _, text in read(body)] == body.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'[{"a": 1},\n{"a": }]', "input:2 is not JSON"),
        (b'[{"a": 1},\n{"a": 2}\n', "ends before the array's"),
        (b'{\n  "a": 1,\n  "b" 2\n}', "input:3 is not JSON"),
        (b'[{"a": "x}]', "input:1 is not JSON: Unterminated string$"),
        (b"[[{}]]", "input:1 is not one array"),
        (b"[" * 50 + b"\n", "input:1 is not one array"),
        (b"[" + b'{"a":' * 100_000, "input:1 can not be read as JSON"),
        (b"PAR1....", "is Parquet"),
        (b"\x28\xb5\x2f\xfd....", "is zstd"),
        (b"\xff\xfe{\x00", "is UTF-16"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(body: bytes, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        read(body, [4, 4])


@pytest.mark.parametrize(
    "body",
    [
        "event_id,total\na,1\n",
        '"event id";"total, in €"\r\n"a";1\r\n',
        "event_id\ttotal\n\t1\n",
        "\ufeffid,größe,\r\n1,2,\r\n",
    ],
    ids=["commas", "semicolons", "tabs", "as spreadsheets write it"],
)
@given(sizes=st.lists(st.integers(1, 20), max_size=8))
def test_csv_is_told_with_the_way_to_publish_it(body: str, sizes: list[int]) -> None:
    with pytest.raises(RejectedError, match="input looks like CSV: `bobr sql"):
        read(body.encode(), [3, *sizes])


def test_what_came_before_a_broken_document_is_given_out() -> None:
    pieces = events(cut(b'[{"a": 1},\n{"a": ', [11]), "input")
    assert [line.text for line in next(pieces)] == [b'{"a": 1}\n']
    with pytest.raises(RejectedError):
        list(pieces)


@pytest.mark.parametrize("start", [b'{"a": "', b'[{"a": "'], ids=["line", "document"])
def test_an_event_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(module, "LINE_BYTES_MAX", 1_000)
    endless = itertools.chain([start], itertools.repeat(b"x" * 100))
    with pytest.raises(RejectedError, match="input:1"):
        list(events(endless, "input"))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_file_comes_whole(pipe: tuple[int, int], *, packed: bool) -> None:
    body = b"".join(b'{"number": %d}\n' % number for number in range(200_000))
    halves = [gzip.compress(body[:1_000_000]), gzip.compress(body[1_000_000:])]
    writer = threading.Thread(target=write, args=(pipe[1], halves if packed else [body]))
    writer.start()
    pieces = list(Source(pipe[0], "pipe").pieces())
    writer.join()
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= 2 * 1024 * 1024


def write(descriptor: int, chunks: Iterable[bytes]) -> None:
    with open(descriptor, "wb") as out:
        out.writelines(chunks)


def test_a_pipe_that_stays_open_gives_what_it_has(pipe: tuple[int, int]) -> None:
    """Nothing more is written until it was given: a reader that waits for more would wait for ever."""
    reading, writing = pipe
    pieces = events(Source(reading, "pipe").pieces(), "pipe")
    for number in range(3):
        os.write(writing, b'{"number": %d}\n' % number)
        (line,) = next(pieces)
        assert (line.number, json.loads(line.text)) == (number + 1, {"number": number})
    os.close(writing)
    assert [line for piece in pieces for line in piece] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [(gzip.compress(b"{}\n" * 99)[:-4], "ends before"), (b"\x1f\x8b\xff\xff" * 9, "damaged")],
    ids=["cut", "wild"],
)
def test_gzip_that_is_not_sound_is_said(pipe: tuple[int, int], body: bytes, words: str) -> None:
    write(pipe[1], [body])
    with pytest.raises(RejectedError, match=words):
        list(Source(pipe[0], "pipe").pieces())


def test_a_folder_can_not_be_read(tmp_path: os.PathLike[str]) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(RejectedError, match="can not be read"):
            list(Source(folder, "folder").pieces())
    finally:
        os.close(folder)
