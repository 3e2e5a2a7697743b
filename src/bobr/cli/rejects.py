"""Refused events, as JSON lines that a person mends and publishes again."""

import json
import sys
from types import TracebackType
from typing import Self, TextIO

import msgspec

from bobr.cli.lines import Line
from bobr.errors import RejectedError

SHOWN_MAX = 20
"""On a terminal: more would hide what went before."""


class Rejects:
    """Where they go. On a terminal the first ones, and in the end how many more there are."""

    def __init__(self, out: TextIO, name: str) -> None:
        """`out` stays the caller's. `name`: of it, for messages."""
        self._out = out
        self._name = name
        self._shown_max = SHOWN_MAX if out.isatty() else None
        self._count = 0

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tells what was not shown."""
        if self._shown_max is not None and self._count > self._shown_max:
            more = self._count - self._shown_max
            message = f"bobr: … {more:,} more were refused: --rejects FILE has them all"
            print(message, file=sys.stderr)

    def add(self, line: Line, why: dict[str, object]) -> None:
        """One of them, with the members of its rejection. RejectedError: it can not be written, as on a full disk."""
        self._count += 1
        if self._shown_max is not None and self._count > self._shown_max:
            return
        told = json.dumps({"line": line.number, **why}, ensure_ascii=False)
        try:
            self._out.write(f'{told[:-1]}, "event": {_event(line.text)}}}\n')
        except OSError as error:
            raise RejectedError(f"{self._name} can not be written: {error.strerror}") from error


def _event(line: bytes) -> str:
    """The document as it came, to be published again; if it is no JSON, its text as a JSON string."""
    text = line.strip()
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.dumps(text.decode(errors="replace"), ensure_ascii=False)
    return text.decode()
