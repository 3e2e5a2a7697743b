"""Memory that is not used, given back to the system: after a peak, Python and glibc would keep much of it for ever.

Measured: after some seconds of overload with calls of 15 MB the broker held 1.8 GB, of which 1.4 GB were free blocks
between used ones. After half a million pipelined requests, 170 MB were circles of objects which the collector had seen
survive once, and would look at again after some more millions. Other C libraries give back by themselves; nothing is
done there.
"""

import contextlib
import ctypes
import gc
import os
import threading
import time
from pathlib import Path

EVERY_SECONDS = 2.0
GROWN_BYTES = 64 * 1024 * 1024
"""Less is not worth the walk through the heap, which takes some milliseconds and does not hold the GIL."""
COLLECT_SECONDS = 30.0
"""The collector's walk does hold it, for some 40 ms."""
COLLECT_OBJECTS = 700
"""New objects between looks at the newest, as Python has it by itself."""

STATM = Path("/proc/self/statm")


def collect_as_usual() -> None:
    """After the imports, for which the command line has the collector look seldom.

    Nothing is frozen: such objects do not count where Python decides when to look at all, far more often then.
    """
    gc.set_threshold(COLLECT_OBJECTS)


def give_back_memory() -> None:
    """Begin to, in a thread of its own that ends with the process."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None and STATM.exists():
        threading.Thread(target=_trim_for_ever, args=(trim,), name="memory", daemon=True).start()


def _trim_for_ever(trim: "ctypes._NamedFuncPointer") -> None:
    pause = threading.Event()
    least = resident_bytes()
    collected = time.monotonic()
    while not pause.wait(EVERY_SECONDS):
        with contextlib.suppress(OSError):  # no file can be opened now
            if resident_bytes() > least + GROWN_BYTES:
                if time.monotonic() > collected + COLLECT_SECONDS:
                    gc.collect()
                    collected = time.monotonic()
                trim(0)
            least = min(least, resident_bytes())


def resident_bytes() -> int:
    """What this process takes of the machine's memory now."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
