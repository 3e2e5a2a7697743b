"""How a part's process ends: asked to, and within its time."""

import signal
import subprocess
import sys
from pathlib import Path

HANGS = """
import sys, threading
from pathlib import Path
from bobr.runtime import process
process.END_SECONDS = 0.2
stop = process.stop_event(Path(sys.argv[1]))
print("ready", flush=True)
stop.wait()
print("asked", flush=True)
def hang_here():
    threading.Event().wait()
hang_here()
"""


def test_a_process_that_hangs_while_it_ends_says_where_and_ends(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("earlier\n")
    with subprocess.Popen(
        (sys.executable, "-c", HANGS, str(log)), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "asked\n"
        assert child.wait(timeout=60) == 1
    words = log.read_text()
    assert words.startswith("earlier\n")
    assert "hang_here" in words
