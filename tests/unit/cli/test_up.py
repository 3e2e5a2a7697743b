"""`bobr up` and `bobr down`: what they do with their options, before any system starts."""

import subprocess
import sys
from pathlib import Path

import pytest

BOBR = (sys.executable, "-m", "bobr.cli")


def up(host: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What it says when nothing can start: the folder is a file."""
    folder.touch()
    command = [*BOBR, "up", "--host", host, "--port", "0", "--dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("host", ["", " ", "[]"])
def test_an_empty_host_is_not_every_address(tmp_path: Path, host: str) -> None:
    """As of `--host "$UNSET"`."""
    done = up(host, tmp_path / "file")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith("bobr: --host is empty: give ")


def test_an_address_may_be_in_brackets_as_in_a_url(tmp_path: Path) -> None:
    """One that is no machine's: an address without a name to look up."""
    command = [
        *BOBR,
        "up",
        "--host",
        "[2001:db8::1]",
        "--port",
        "0",
        "--dir",
        str(tmp_path / "new"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("bobr: 2001:db8::1:0 can not be listened on: ")
