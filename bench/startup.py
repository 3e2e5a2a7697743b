"""How long a person waits: `bobr --help`, and `bobr up` until it answers."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bobr.testing.system import BOBR, running_system


def main() -> None:
    """Print the best of a few."""
    print("start-up")
    bare = min(_seconds((sys.executable, "-c", "")) for _ in range(5))
    help_ = min(_seconds((*BOBR, "--help")) for _ in range(5))
    print(f"  python -c ''   {bare:6.2f} s")
    print(f"  bobr --help    {help_:6.2f} s   goal 0.3 s")
    print(f"  bobr up        {min(_up_seconds() for _ in range(3)):6.2f} s   goal 3 s")


def _seconds(command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _up_seconds() -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with running_system(Path(folder)):
            return time.perf_counter() - started


if __name__ == "__main__":
    main()
