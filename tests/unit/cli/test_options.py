"""Numbers that are none, or far too large: refused where they are typed, and never a bug of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

BOBR = (sys.executable, "-m", "bobr.cli")
WAITING = ("flush", "down", "apply conf", "publish orders -")


@pytest.mark.parametrize("command", WAITING)
@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "1e300"])
def test_no_command_waits_for_ever_or_for_nothing_that_is_a_time(
    tmp_path: Path, command: str, seconds: str
) -> None:
    done = run(tmp_path, *command.split(), "--timeout", seconds)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--timeout'" in done.stderr


@pytest.mark.parametrize("offline", [["--offline"], []], ids=["offline", "online"])
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--events-per-second 0", "--events-per-second: 0: it is"),
        ("--events-per-second -1", "--events-per-second: -1: it is"),
        ("--bytes-per-second inf", "--bytes-per-second: inf: it is"),
        ("--bytes-per-second nan", "--bytes-per-second: nan: it is"),
        ("--publish a*b", "--publish: 'a*b': * stands at the end alone"),
        ("--publish a --tables foo", "--tables: 'foo': tables are written with"),
    ],
)
def test_a_principal_that_nobody_would_take_has_no_key(
    tmp_path: Path, words: str, why: str, offline: list[str]
) -> None:
    done = run(tmp_path, "key", "create", "shop", *words.split(), *offline)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"bobr: {why}")


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*BOBR, *words],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
