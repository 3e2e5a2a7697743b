"""Keeps parts running: starts each as a child process, starts it again when it dies, ends all of them in order."""

import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bobr.runtime.folder import PartProcess
from bobr.runtime.log_files import LogFile
from bobr.runtime.process import SUPERVISOR

RESTART_SECONDS_FIRST = 0.2
RESTART_SECONDS_MAX = 10.0
SOUND_SECONDS = 30.0
"""A part that ran this long starts again as if for the first time."""
STOP_SECONDS = 30.0
"""A part has this long to end after SIGTERM; then it is killed. What was acknowledged is on disk anyway."""
LAST_WORDS_SECONDS = 2.0
"""What a part said at its end is copied within that, or is left: something of it still holds the pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a part is started. descriptors, environment: what it inherits; the latter may hold a secret.

    ends_late: others speak to it until they end.
    """

    name: str
    command: Sequence[str]
    log: Path
    descriptors: Sequence[int]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ends_late: bool = False


class Supervisor:
    """Owned by one thread; a thread for each part waits for its end."""

    def __init__(
        self,
        plans: Sequence[Plan],
        changed: Callable[[Mapping[str, PartProcess]], None],
        say: Callable[[str], None],
    ) -> None:
        """plans: in the order of starting. changed: told after each change of any part. say: a line for a person."""
        self._plans = {plan.name: plan for plan in plans}
        self._changed = changed
        self._say = say
        self._logs = {plan.name: LogFile(plan.log) for plan in plans}
        self._followers: dict[str, threading.Thread] = {}
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._started: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._last_words: dict[str, str] = {}
        self._short_lives: dict[str, int] = dict.fromkeys(self._plans, 0)
        self._ends: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        self._parts = {
            plan.name: PartProcess(state="starting", pid=None, restarts=0, last_exit=None)
            for plan in plans
        }

    def start(self) -> None:
        """Start every part."""
        for plan in self._plans.values():
            self._spawn(plan)

    def run(self, stop: threading.Event) -> str | None:
        """Keep the parts running until `stop` is set; or what a part says that can not run as configured."""
        while not stop.is_set():
            name = self._wait_for_end(self._pause())
            if name is not None and self._parts[name].last_exit == _word(os.EX_CONFIG):
                return f"{name}: {self._last_words.get(name, 'it says nothing')}"
            self._start_due()
        return None

    def wake(self) -> None:
        """Make `run` look at `stop` now. Any thread."""
        self._ends.put(None)

    def stop(self) -> None:
        """End the parts one after the other, in the order of `_stop_order`, each within a bound."""
        for name in self._stop_order():
            if name in self._children:
                self._end(name, self._children[name])
        for name, log in self._logs.items():
            if name in self._followers:
                self._followers[name].join(LAST_WORDS_SECONDS)
            log.close()

    def _end(self, name: str, child: "subprocess.Popen[str]") -> None:
        if child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._say(f"{name}: did not end within {STOP_SECONDS:.0f} s and was killed")
            child.kill()
            child.wait()

    def _stop_order(self) -> Sequence[str]:
        """In that of starting; then those that the others speak to, the first of them last."""
        late = [plan.name for plan in self._plans.values() if plan.ends_late]
        return [*(name for name in self._plans if name not in late), *reversed(late)]

    def _spawn(self, plan: Plan) -> None:
        child = subprocess.Popen(
            plan.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=plan.descriptors,
            env={**os.environ, **plan.environment, SUPERVISOR: str(os.getpid())},
            encoding="utf-8",
            errors="replace",
        )
        self._children[plan.name] = child
        self._started[plan.name] = time.monotonic()
        self._set(plan.name, state="running", pid=child.pid)
        follower = threading.Thread(target=self._follow, args=(plan.name, child), daemon=True)
        self._followers[plan.name] = follower
        follower.start()

    def _follow(self, name: str, child: "subprocess.Popen[str]") -> None:
        """Until its end, and until its last words are in its log."""
        assert child.stdout is not None
        keep = self._logs[name].keep
        logging = threading.Thread(target=keep, args=(child.stderr,), daemon=True)
        logging.start()
        with child.stdout as lines:
            for line in lines:
                self._last_words[name] = line.rstrip().removeprefix("bobr: ")
                self._say(f"{name}: {line.rstrip()}")
        logging.join()
        self._ends.put((name, child.wait()))

    def _pause(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _wait_for_end(self, timeout_seconds: float | None) -> str | None:
        try:
            end = self._ends.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if end is None:
            return None
        self._ended(*end)
        return end[0]

    def _ended(self, name: str, code: int) -> None:
        now = time.monotonic()
        if now - self._started[name] > SOUND_SECONDS:
            self._short_lives[name] = 0
        pause = min(RESTART_SECONDS_MAX, RESTART_SECONDS_FIRST * 2 ** self._short_lives[name])
        self._short_lives[name] += 1
        self._due[name] = now + pause
        self._set(name, state="waiting", pid=None, last_exit=_word(code))
        log = self._plans[name].log
        self._say(f"{name}: ended with {_word(code)}; starts again in {pause:.1f} s (see {log})")

    def _start_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self._set(name, restarts=self._parts[name].restarts + 1)
            self._spawn(self._plans[name])

    def _set(self, name: str, **changes: object) -> None:
        self._parts[name] = replace(self._parts[name], **changes)  # type: ignore[arg-type]  # fields of PartProcess
        self._changed(dict(self._parts))


def _word(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
