"""The table of `bobr status`, as a person reads it."""

import pytest

from bobr.cli.status import _print

PART = {
    "part": "broker",
    "state": "running",
    "pid": 1234567,
    "restarts": 1234,
    "last_exit": None,
    "revision": 4321,
    "error": None,
}
STREAM = {"stream": "orders", "events": 1234567, "schemas": [1, 2000]}


def test_sizes_are_grouped_and_names_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    _print({"parts": [PART], "streams": [STREAM], "deliveries": [], "addresses": {"http": "here"}})
    out = capsys.readouterr().out
    assert ["broker", "running", "1234567", "1,234", "4321"] in map(str.split, out.splitlines())
    assert "orders  1,234,567" in out
    assert "1, 2000" in out
    assert "no deliveries yet" in out
