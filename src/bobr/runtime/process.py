"""One part in one process: how it ends, and that it never goes on half-broken."""

import contextlib
import ctypes
import os
import signal
import sys
import threading

import structlog

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SUPERVISOR = "BOBR_SUPERVISOR"
"""In the environment of a supervised part: the supervisor's process id."""
GIL_SECONDS = 0.001
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h


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
        os._exit(EXIT_BUG)

    threading.excepthook = hook


def share_the_gil() -> None:
    """Let threads take turns faster than Python's 5 ms: an event loop answers while another thread checks a batch."""
    sys.setswitchinterval(GIL_SECONDS)


def stop_event() -> threading.Event:
    """Set when the process is asked to stop: SIGTERM. What a terminal sends to everyone is the supervisor's."""
    event = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: event.set())
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return event
