"""One part in one process: how it ends, and that it never goes on half-broken."""

import atexit
import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SUPERVISOR = "BOBR_SUPERVISOR"
"""In the environment of a supervised part: the supervisor's process id."""
GIL_SECONDS = 0.001
END_SECONDS = 25.0
"""A part ends in this time, also when nobody is left to kill it. What was acknowledged is on disk anyway."""


def end_with_parent() -> None:
    """Be asked to stop when the supervisor dies, however it dies (Linux; elsewhere the pipe of stdin would do it).

    Does nothing in a part that a person started.
    """
    supervisor = os.environ.get(SUPERVISOR)
    if sys.platform == "linux" and supervisor:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(supervisor):  # it died before the line above
            os.kill(os.getpid(), signal.SIGTERM)


def end_on_bugs() -> None:
    """End the process when any of its threads fails: the supervisor starts a sound one, half of one serves nobody."""

    def hook(failure: threading.ExceptHookArgs) -> None:
        name = failure.thread.name if failure.thread else "?"
        exception = failure.exc_value
        structlog.get_logger().critical("thread failed", thread=name, exc_info=exception)
        with contextlib.suppress(OSError):  # the supervisor is gone, or its disk is full
            sys.stderr.flush()
        os._exit(os.EX_SOFTWARE)

    threading.excepthook = hook


def share_the_gil() -> None:
    """Let threads take turns faster than Python's 5 ms: an event loop answers while another thread checks a batch."""
    sys.setswitchinterval(GIL_SECONDS)


def open_many_files() -> None:
    """As many as the system lets us: each connection and each delivery takes some, and 1,024 are soon used up."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems say more than they allow
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def on_signals(numbers: Iterable[signal.Signals], act: Callable[[], object]) -> None:
    """Have a thread call `act` for each signal that comes, until the process ends. In the main thread, once.

    A handler in Python runs in the main thread alone, when that comes to run: of one that waits for a lock, a signal
    that the kernel gave to another thread may wake nothing, and is never heard. And one that comes while the handler of
    the one before sets an event waits for that event's lock for ever. The byte in the pipe is written in
    whatever thread the signal came to, and `act` runs in a thread that no handler interrupts.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (numbers := tuple(numbers)):
        signal.signal(number, lambda *_: None)
    # The interpreter, when it ends, lets them kill the process, which has done all and is to end with its own status.
    atexit.register(lambda: [signal.signal(number, signal.SIG_IGN) for number in numbers])

    def watch() -> None:
        while os.read(reading, 1):
            act()

    threading.Thread(target=watch, name="signals", daemon=True).start()


def stop_event(log: Path) -> threading.Event:
    """Set when the process is asked to stop: SIGTERM. What a terminal sends to everyone is the supervisor's.

    A process that has not ended `END_SECONDS` later writes to its log where each thread hangs, and ends.
    """
    event = threading.Event()

    def stop() -> None:
        if not event.is_set():
            with contextlib.suppress(OSError):
                faulthandler.dump_traceback_later(END_SECONDS, exit=True, file=log.open("ab"))
            event.set()

    on_signals((signal.SIGTERM,), stop)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return event
