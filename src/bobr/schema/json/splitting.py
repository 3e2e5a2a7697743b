"""Bodies of many JSON events → one document each, still raw bytes. No I/O; only structure is looked at."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from bobr.errors import RejectedError
from bobr.outcome import Reason, Rejection

ELEMENTS_MAX = 1_000_000
"""Of one array, where nobody says. Each costs some 100 bytes beside its own; NDJSON has no such limit."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = b" \t\r"
"""What JSON lets stand around a document in a line."""
_ARRAY = re.compile(rb"[ \t\r\n]*\[")
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What one chunk of NDJSON completed. Indices count the lines that are not blank, from 0 over the whole body."""

    indices: Sequence[int]
    documents: list[bytes]
    rejected: tuple[Rejection, ...] = ()


class NdjsonSplitter:
    """Chunks of a body → its lines. Holds no more than one line, and of that no more than the limit.

    A byte order mark at the beginning is passed over.

    Work and memory of a call grow with its chunk: feed chunks as they come from the socket. Not thread-safe.
    """

    def __init__(self, line_bytes_max: int) -> None:
        """`line_bytes_max`: of a line without its end (LF or CRLF); a longer one is rejected as TOO_LARGE."""
        self._line_bytes_max = line_bytes_max
        self._tail = bytearray()
        self._next_index = 0
        self._begun = False

    @property
    def held_bytes(self) -> int:
        """Of the line that has begun and not ended."""
        return len(self._tail)

    def feed(self, chunk: bytes) -> Lines:
        """The lines that end in this chunk, without blank ones."""
        first, *others = chunk.split(b"\n")
        self._keep(first)
        if not others:
            return Lines(indices=(), documents=[])
        ended = [self._take(), *others[:-1]]
        self._keep(others[-1])
        return self._lines(ended)

    def finish(self) -> Lines:
        """The last line, if it has no end. Nothing may be fed after this."""
        return self._lines([self._take()])

    def _keep(self, part: bytes) -> None:
        """Adds to the unfinished line as much as shows that it is too long, CR included, and no more."""
        self._tail += part[: self._line_bytes_max + 2 - len(self._tail)]

    def _take(self) -> bytes:
        line = bytes(self._tail)
        self._tail.clear()
        if not self._begun:
            self._begun = True
            return line.removeprefix(BYTE_ORDER_MARK)
        return line

    def _lines(self, lines: list[bytes]) -> Lines:
        if max(map(len, lines)) > self._line_bytes_max:
            return self._with_rejections(lines)
        documents = [document for line in lines if (document := line.strip(_SPACE))]
        indices = range(self._next_index, self._next_index + len(documents))
        self._next_index += len(documents)
        return Lines(indices=indices, documents=documents)

    def _with_rejections(self, lines: list[bytes]) -> Lines:
        """The same when some of the lines may be too long."""
        indices: list[int] = []
        documents: list[bytes] = []
        rejected: list[Rejection] = []
        for line in lines:
            document = line.strip(_SPACE)
            if len(line.removesuffix(b"\r")) > self._line_bytes_max:
                rejected.append(self._too_large())
            elif document:
                indices.append(self._next_index)
                documents.append(document)
            else:
                continue
            self._next_index += 1
        return Lines(indices=indices, documents=documents, rejected=tuple(rejected))

    def _too_large(self) -> Rejection:
        text = f"the line is longer than {self._line_bytes_max} bytes, the limit of this stream"
        return Rejection(index=self._next_index, reason=Reason.TOO_LARGE, message=text)


def split_array(body: bytes, elements_max: int = ELEMENTS_MAX) -> list[bytes]:
    """A JSON array → its elements; any other body is one document, and judged later.

    An element can be anything that ends: its neighbours do not suffer. Raises RejectedError: the array itself is
    broken, is nested deeper than Python's recursion limit, or has more than `elements_max` elements.
    """
    if not _ARRAY.match(body):
        return [body]
    if body.count(b",") < elements_max:
        try:
            return [bytes(each) for each in msgspec.json.decode(body, type=list[msgspec.Raw])]
        except (msgspec.DecodeError, RecursionError):
            pass  # msgspec is strict about escapes inside of elements, which are not judged here
    return _split_slowly(body, elements_max)


def syntax_fault(error: json.JSONDecodeError) -> str:
    """What is wrong, without where: Python ends some of its words with "starting at", and names the place itself."""
    return error.msg.removesuffix(" at").removesuffix(" starting")


def _split_slowly(body: bytes, elements_max: int) -> list[bytes]:
    elements: list[bytes] = []
    try:
        for start, end in _elements(body.decode("latin-1")):
            elements.append(body[start:end])
            if len(elements) > elements_max:
                raise RejectedError(f"more than {elements_max} events in one array: send NDJSON")
    except json.JSONDecodeError as error:
        message = f"not a JSON array: {syntax_fault(error)} at byte {error.pos}"
        raise RejectedError(message) from error
    except RecursionError as error:
        raise RejectedError("the JSON array is nested too deep") from error
    return elements


def _elements(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each element. `text`: one character for each byte, so that places are the same."""
    at = _skip_blank(text, text.index("[") + 1)
    more = text[at : at + 1] != "]"
    while more:
        end = _DECODER.raw_decode(text, at)[1]
        yield at, end
        at = _skip_blank(text, end)
        more = text[at : at + 1] == ","
        if more:
            at = _skip_blank(text, at + 1)
    if text[at : at + 1] != "]":
        raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
    if _skip_blank(text, at + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _skip_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)
"""Finds ends; numbers are not read, since Python refuses some for their length."""
