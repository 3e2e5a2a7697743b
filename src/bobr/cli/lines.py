"""Bytes → events: lines of NDJSON, or documents of an array or of pretty-printed JSON, each with its line.

An array's brackets may be missing: what is copied out of one has a comma behind each line.
"""

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from bobr.errors import RejectedError

NO_ROOM = "REASON_UNAVAILABLE"
"""The broker's reason for an event that is right, and not stored."""
LINE_BYTES_MAX = 64 * 1024 * 1024
"""As much as the broker takes for the largest event that a stream may allow."""
BLANK = b" \t\r\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FOREIGN = {b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}
FOREIGN |= {b"PAR1": "Parquet", b"Obj\x01": "Avro", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
CSV_ADVICE = (
    "looks like CSV: `bobr sql \"from read_csv('FILE', all_varchar=true)\" --json | "
    "bobr publish STREAM -` sends it as JSON, with the header's names as fields"
)

_JSON = json.JSONDecoder()
_NAME = r'(?:"[^"]*"|[\w .:()/%#-]*)'
_CSV_HEADER = re.compile(rf"{_NAME}([,;\t]){_NAME}(?:\1{_NAME})*")
"""Two names or more. What is JSON has a bracket or a brace before its first comma, or none."""
_BETWEEN = re.compile(r"[ \t\r\n,\[\]]*")
"""What may stand between the documents of an array, or of several."""
_SURE_END = frozenset('}]"')
"""Behind these a value is complete; a number may go on."""


class Line(NamedTuple):
    """An event, on one line. number: of the line of the input where it begins, from 1, blank ones counted."""

    number: int
    text: bytes


def events(pieces: Iterator[bytes], name: str) -> Iterator[list[Line]]:
    """The input's events, soon after the piece that completes them. name: of the input, for messages.

    RejectedError: it is nothing of that kind, or breaks off; what came before was given out.
    """
    head, read = b"", iter(pieces)
    in_lines = None
    while in_lines is None and (piece := next(read, b"")):
        head += piece
        in_lines = _is_in_lines(head, name)
    cut = _lines if in_lines in {None, True} else _documents
    yield from cut(itertools.chain([head.removeprefix(BYTE_ORDER_MARK)], read), name)


def _is_in_lines(head: bytes, name: str) -> bool | None:
    """Whether each line is a document. None: the head is too short to say."""
    for magic, kind in FOREIGN.items():
        if head.startswith(magic):
            raise RejectedError(f"{name} is {kind}: give events as JSON in UTF-8, or that in gzip")
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip(BLANK)
    if text.startswith(b"["):
        return False
    first, end, rest = text.partition(b"\n")
    if not end and len(first) <= LINE_BYTES_MAX:
        return None
    first = first.rstrip(BLANK)
    if header := _CSV_HEADER.fullmatch(first.decode(errors="replace")):
        return _is_no_csv(rest, header[1].encode(), name)
    if not _breaks_off(first):
        return not _is_element(first)
    return _is_next_document(rest.lstrip(b"\r\n"))


def _is_no_csv(rest: bytes, delimiter: bytes, name: str) -> bool | None:
    """Whether only the first line looks like it: one bad line among good ones. RejectedError: the second does, too."""
    second, end, _ = rest.partition(b"\n")
    if not end:
        return None
    if delimiter in second and second[:1] not in b"{[":
        raise RejectedError(f"{name} {CSV_ADVICE}")
    return True


def _is_element(line: bytes) -> bool:
    """Whether it is an event with a comma behind it, as in an array."""
    text = line.decode(errors="replace")
    if not text.endswith(","):
        return False
    try:
        _, end = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text.startswith("{") and text[end:].strip() == ","


def _breaks_off(line: bytes) -> bool:
    """As the first line of pretty-printed JSON does, and of NDJSON hardly."""
    text = line.decode(errors="replace")
    try:
        _JSON.raw_decode(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text)
    except (ValueError, RecursionError):  # too long a number, too deep
        return False
    return False


def _is_next_document(rest: bytes) -> bool | None:
    """Whether behind a line that breaks off another document begins, and not what is missing of it."""
    return rest[:1] not in b' \t"]}' if rest else None


def _lines(pieces: Iterator[bytes], name: str) -> Iterator[list[Line]]:
    number, tail = 1, b""
    for piece in pieces:
        *ended, tail = (tail + piece).split(b"\n")
        numbered = ((at, _unmarked(each)) for at, each in enumerate(ended, number))
        yield [Line(at, each + b"\n") for at, each in numbered if each.strip(BLANK)]
        number += len(ended)
        if len(tail) > LINE_BYTES_MAX:
            raise RejectedError(
                f"{name}:{number} has more than {LINE_BYTES_MAX:,} bytes: no event may be so large"
            )
    if (tail := _unmarked(tail)).strip(BLANK):
        yield [Line(number, tail)]


def _unmarked(line: bytes) -> bytes:
    """Of files that were put together, each may begin so. To the broker a mark is no event where a body begins."""
    return line.removeprefix(BYTE_ORDER_MARK)


def _documents(pieces: Iterator[bytes], name: str) -> Iterator[list[Line]]:
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    documents = _Documents(name)
    for piece in pieces:
        yield list(documents.feed(text.decode(piece)))
    yield list(documents.feed(text.decode(b"", final=True), last=True))
    documents.finish()


class _Documents:
    """Finds where documents end that are not one a line."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._text = ""
        self._number = 1
        self._open = 0

    def feed(self, text: str, *, last: bool = False) -> Iterator[Line]:
        """The documents that are complete with it. last: nothing follows."""
        self._text += text
        at = self._skip(0)
        while (end := self._end(at, last=last)) is not None:
            document = self._text[at:end]
            yield Line(self._number, _on_one_line(document))
            self._number += document.count("\n")
            at = self._skip(end)
        self._text = self._text[at:]

    def finish(self) -> None:
        """RejectedError: the array was not closed."""
        if self._open:
            raise RejectedError(f"{self._name} ends before the array's ']': it is not complete")

    def _skip(self, at: int) -> int:
        """Past what is between documents."""
        found = _BETWEEN.match(self._text, at)
        assert found is not None, "it may be empty"
        self._open += found[0].count("[") - found[0].count("]")
        if self._open not in {0, 1}:
            raise RejectedError(f"{self._where} is not one array of events")
        self._number += found[0].count("\n")
        return found.end()

    def _end(self, at: int, *, last: bool) -> int | None:
        """Where the document ends that begins here, on line `_number`; None: nothing begins, or it is not all there."""
        if at == len(self._text):
            return None
        try:
            _, end = _JSON.raw_decode(self._text, at)
        except (ValueError, RecursionError) as error:
            if last or len(self._text) - at > LINE_BYTES_MAX:
                raise self._not_json(error, at) from error
            return None
        sure = last or end < len(self._text) or self._text[end - 1] in _SURE_END
        return end if sure else None

    def _not_json(self, error: Exception, at: int) -> RejectedError:
        from bobr.schema.json.splitting import syntax_fault

        if not isinstance(error, json.JSONDecodeError):
            return RejectedError(f"{self._where} can not be read as JSON: {error}")
        line = self._number + self._text.count("\n", at, error.pos)
        return RejectedError(f"{self._name}:{line} is not JSON: {syntax_fault(error)}")

    @property
    def _where(self) -> str:
        return f"{self._name}:{self._number}"


def _on_one_line(document: str) -> bytes:
    """In JSON a line's end is never inside a string, so it may be a space."""
    text = document.replace("\r", " ").replace("\n", " ")
    return text.encode(errors="surrogateescape") + b"\n"
