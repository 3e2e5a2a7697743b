"""What `make demo` does when somebody uses its folder, and what it says in the end."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from demo.__main__ import DIRECTORY, _try_next

from bobr.testing.system import BOBR, running_system

ROOT = Path(__file__).parents[2]


def test_the_folder_of_a_running_system_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ".bobr").mkdir()
    with running_system(tmp_path / ".bobr" / "demo") as system:
        done = subprocess.run(
            [sys.executable, "-m", "demo"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "bobr down --dir .bobr/demo" in done.stderr
        assert system.sql("select 1 as a") == [{"a": 1}]


def test_what_to_try_next_is_about_its_folder_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is exported that commands elsewhere would obey later; each line is a command as it is."""
    _try_next()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    for line in lines:
        bobr, command, *arguments = shlex.split(line)
        assert (bobr, arguments[-2:]) == (".venv/bin/bobr", ["--dir", str(DIRECTORY)])
        told = subprocess.run(
            [*BOBR, command, *arguments, "--help"], capture_output=True, check=False
        )
        assert told.returncode == 0
    assert [shlex.split(line)[1] for line in lines] == ["up", "sql", "tail", "down"]
