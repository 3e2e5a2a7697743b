"""Where the time of a figure goes: py-spy's samples of a running part while its work is done once more."""

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

SAMPLES_A_SECOND = 100
LINES = 8
PY_SPY = Path(sys.executable).with_name("py-spy")


def show_profile(pid: int | None, work: Callable[[], object]) -> None:
    """Print the places with most samples, by thread: ours that was innermost, and what it had called.

    Sampled is who holds the interpreter's lock: there is one, and it is what a part runs out of first. Where the system
    lets no process look into another, that is said instead.
    """
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks"
        command = (PY_SPY, "record", "--pid", str(pid), "--gil", "--threads", "--format", "raw")
        spy = subprocess.Popen(
            (*command, "--rate", str(SAMPLES_A_SECOND), "--duration", "3600", "--output", stacks),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        work()
        spy.send_signal(signal.SIGINT)
        said = spy.communicate()[1]
        if stacks.exists():
            _print(stacks.read_text())
        else:
            print(f"    no profile: {said.strip().splitlines()[-1:]}")


def _print(stacks: str) -> None:
    places: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        places[_place(stack.split(";"))] += int(samples)
    total = sum(places.values())
    print(f"    who holds the GIL, in {total} samples:")
    for place, count in places.most_common(LINES):
        print(f"    {count / total:>6.0%}  {place}")


def _place(frames: list[str]) -> str:
    thread = frames[0].rpartition(": ")[2]
    ours = next((frame for frame in reversed(frames) if "bobr/" in frame), "")
    innermost = frames[-1]
    return f"{thread:<18} {ours}" if innermost == ours else f"{thread:<18} {ours} > {innermost}"
