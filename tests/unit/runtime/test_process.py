"""How a part's process ends: asked to, and within its time."""

import signal
import subprocess
import sys
from pathlib import Path

SIGNALS = 8
"""Without a pipe, one of about five is missed."""
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


BUSY = """
import sys, threading
from pathlib import Path
from bobr.runtime import process
stop = process.stop_event(Path(sys.argv[1]))
def start_threads():
    while not stop.is_set():
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
for _ in range(2):
    threading.Thread(target=start_threads).start()
print("ready", flush=True)
stop.wait()
"""


def test_a_signal_is_heard_whichever_thread_it_comes_to(tmp_path: Path) -> None:
    """A thread that just starts another may be given it; the main thread, which waits, does not wake up then."""
    for _ in range(SIGNALS):
        with subprocess.Popen(
            (sys.executable, "-c", BUSY, str(tmp_path / "part.log")),
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            for _ in range(3):  # as when a supervisor asks, and dies
                child.send_signal(signal.SIGTERM)
            try:
                assert child.wait(timeout=20) == 0
            finally:
                child.kill()


def test_a_part_may_open_as_many_files_as_the_system_lets_it() -> None:
    code = (
        "import resource as r; from bobr.runtime.process import open_many_files as f; "
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (64, hard)); f(); "
        "assert r.getrlimit(r.RLIMIT_NOFILE) == (hard, hard)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
