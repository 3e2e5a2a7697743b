"""Waiting for a condition: looked at again and again, within a bound."""

import os
import signal
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

GIVE_UP_SECONDS = 60.0
"""Long enough for any machine; never waited for when all is well."""
POLL_SECONDS = 0.02

T = TypeVar("T")


def until(look: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """What was seen when it held. AssertionError: it did not in time."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not holds(seen := look()):
        assert time.monotonic() < give_up, f"not so within {GIVE_UP_SECONDS} s: {seen}"
        time.sleep(POLL_SECONDS)
    return seen


def wait_until(holds: Callable[[], bool], timeout_seconds: float = GIVE_UP_SECONDS) -> None:
    """Wait until it holds; while it raises OSError it does not. AssertionError: it did not in time."""
    give_up = time.monotonic() + timeout_seconds
    while not _holds(holds):
        assert time.monotonic() < give_up, f"not within {timeout_seconds} s"
        time.sleep(POLL_SECONDS)


def stop(pid: int) -> None:
    """SIGSTOP, and wait for it: threads that run go on for a moment."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except OSError:
        return False
