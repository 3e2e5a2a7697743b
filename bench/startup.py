"""How long a person waits: `bobr --help`, and `bobr up` until it answers."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from bobr.testing.system import BOBR, running_system


def main() -> None:
    """Print the best of a few."""
    print("start-up")
    bare = min(_seconds((sys.executable, "-c", "")) for _ in range(5))
    help_ = min(_seconds((*BOBR, "--help")) for _ in range(5))
    print(f"  python -c ''   {bare:6.2f} s")
    print(f"  bobr --help    {help_:6.2f} s   goal 0.3 s")
    seconds, cpu = min(_up() for _ in range(3))
    print(f"  bobr up        {seconds:6.2f} s   goal 3 s")
    print(f"    CPU seconds of its processes until then: {cpu}")


def _seconds(command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _up() -> tuple[float, str]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with running_system(Path(folder)) as system:
            seconds = time.perf_counter() - started
            pids = {name: part.pid for name, part in system.running.parts.items()}
            return seconds, _cpu({"supervisor": system.running.pid, **pids})


def _cpu(pids: Mapping[str, int | None]) -> str:
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return ", ".join(f"{name} {used.user + used.system:.1f}" for name, used in times.items())


if __name__ == "__main__":
    main()
