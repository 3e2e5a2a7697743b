"""What `make demo` does when somebody uses its folder."""

import os
import subprocess
import sys
from pathlib import Path

from bobr.testing.system import running_system

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
