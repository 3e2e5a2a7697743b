"""Refused events: each line has the event itself, and a terminal is not flooded."""

import io
import json
import os
from contextlib import suppress

import pytest

from bobr.cli.lines import Line
from bobr.cli.rejects import Rejects
from bobr.errors import RejectedError

WHY: dict[str, object] = {"reason": "REASON_INVALID", "message": "müßte > 0 sein"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(out: io.StringIO, lines: list[bytes]) -> list[str]:
    with Rejects(out, "stderr") as rejects:
        for number, text in enumerate(lines, 1):
            rejects.add(Line(number, text), WHY)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    "event", ['{"a": 9007199254740993, "b": 1.0}', '{"a": {"ü": "\\ud83e\\uddab"}}', "[1]", '"x"']
)
def test_the_event_is_there_byte_for_byte(event: str) -> None:
    (line,) = written(io.StringIO(), [event.encode() + b"\r\n"])
    assert line.endswith(f', "event": {event}}}')
    assert json.loads(line) == {"line": 1, **WHY, "event": json.loads(event)}


@pytest.mark.parametrize(
    "text", [b'{"a":', b'{"a": NaN}', b"\xff", b'{"a": 1} x', b"[" * 100_000, b'{"a": "\x00"}']
)
def test_what_is_no_json_is_there_as_text(text: bytes) -> None:
    (line,) = written(io.StringIO(), [text])
    assert json.loads(line)["event"] == text.decode(errors="replace")


def test_a_terminal_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(written(Terminal(), [b"{}"] * 1_234)) == 20
    assert "1,214 more were refused: --rejects FILE has them all" in capsys.readouterr().err


def test_a_file_has_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(written(io.StringIO(), [b"{}"] * 1_234)) == 1_234
    assert len(written(Terminal(), [b"{}"] * 20)) == 20
    assert capsys.readouterr().err == ""


def test_what_can_not_be_written_is_an_error_of_ours() -> None:
    """Not one that ends a command well, as of a reader that has had enough."""
    reading, writing = os.pipe()
    os.close(reading)
    out = os.fdopen(writing, "w", buffering=1)
    with (
        Rejects(out, "stderr") as rejects,
        pytest.raises(RejectedError, match="written: Broken pipe"),
    ):
        rejects.add(Line(1, b"{}\n"), {})
    with suppress(OSError):
        out.close()
