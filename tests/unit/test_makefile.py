"""What `make` does to a user's files."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_clean_leaves_the_data_folder() -> None:
    """`bobr up` in the clone keeps its data in `.bobr`."""
    command = ["make", "--dry-run", "clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert ".venv" in words
    assert ".bobr" not in words
