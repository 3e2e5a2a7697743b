"""The table of `bobr status`, as a person reads it."""

import pytest

from bobr.cli.status import _lack, _print

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


def test_a_lag_that_is_not_known_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    delivery = {"delivery": "orders", "state": "unknown", "lag": None, "reason": "silent"}
    _print({"parts": [], "streams": [], "deliveries": [delivery], "addresses": {}})
    assert ["orders", "unknown", "silent"] in map(str.split, capsys.readouterr().out.splitlines())
    silent = {"events": None, "state": "unknown", "reason": "the transmitter does not answer"}
    assert _lack(silent).endswith("not known by how much: unknown: the transmitter does not answer")
    assert _lack({"events": 4000, "state": "waiting", "reason": ""}) == (
        "is behind by 4,000 events: waiting"
    )
