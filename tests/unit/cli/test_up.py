"""`bobr up` and `bobr down`: what they do with their options, before any system starts."""

import os
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


@pytest.mark.parametrize("typed", [False, True], ids=["BOBR_DIR", "--dir"])
def test_down_says_that_it_looks_at_the_folder_alone(tmp_path: Path, *, typed: bool) -> None:
    """Unless that is what was typed."""
    words = ("--dir", str(tmp_path)) if typed else ()
    environment = {**os.environ, "BOBR_URL": "example.org:7070", "BOBR_DIR": str(tmp_path)}
    done = subprocess.run(
        [*BOBR, "down", *words], capture_output=True, text=True, check=False, env=environment
    )
    *said, last = done.stderr.splitlines()
    assert (done.returncode, last) == (0, f"bobr: no system runs in {tmp_path}")
    told = f"bobr: BOBR_URL is example.org:7070, but down ends what runs in {tmp_path} alone"
    assert said == ([] if typed else [told])
