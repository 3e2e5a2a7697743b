"""Real child processes, started again when they die, ended in order."""

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bobr.runtime.folder import PartProcess
from bobr.runtime.log_files import FILE_BYTES_MAX
from bobr.runtime.supervisor import Plan, Supervisor

FOR_EVER = "import signal; print('ready', flush=True); signal.pause()"
OBEDIENT = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); {FOR_EVER}"

Parts = Mapping[str, PartProcess]


class Watch:
    """What a supervisor told."""

    def __init__(self) -> None:
        self.parts: queue.Queue[Parts] = queue.Queue()
        self.lines: queue.Queue[str] = queue.Queue()

    def until(self, holds: Callable[[Parts], bool]) -> Parts:
        while not holds(parts := self.parts.get(timeout=30)):
            pass
        return parts

    def until_said(self, word: str) -> str:
        while word not in (line := self.lines.get(timeout=30)):
            pass
        return line


LATE = ("heard last", "heard later")


@contextmanager
def supervised(watch: Watch, folder: Path, **parts: str) -> Iterator[Supervisor]:
    """Parts are Python programs; started in the order given."""
    plans = [
        Plan(
            name=name,
            command=(sys.executable, "-c", code),
            log=folder / name,
            descriptors=(),
            ends_late=name in LATE,
        )
        for name, code in parts.items()
    ]
    supervisor = Supervisor(plans, watch.parts.put, watch.lines.put)
    supervisor.start()
    yield supervisor
    supervisor.stop()


@contextmanager
def running(supervisor: Supervisor) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    supervisor.wake()
    thread.join(30)
    assert not thread.is_alive()


def test_a_part_that_ends_is_started_again_and_again(tmp_path: Path) -> None:
    watch = Watch()
    with supervised(watch, tmp_path, a="raise SystemExit(3)", b=FOR_EVER) as supervisor:
        with running(supervisor):
            parts = watch.until(lambda parts: parts["a"].restarts == 2)
        assert (parts["a"].last_exit, parts["b"].restarts) == ("exit status 3", 0)
    for pause in ("0.2 s", "0.4 s"):
        line = watch.until_said("ended")
        assert line.startswith(f"a: ended with exit status 3; starts again in {pause} ")


def test_a_killed_part_says_by_what(tmp_path: Path) -> None:
    watch = Watch()
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with supervised(watch, tmp_path, a=code) as supervisor, running(supervisor):
        parts = watch.until(lambda parts: parts["a"].last_exit is not None)
    assert (parts["a"].state, parts["a"].pid, parts["a"].last_exit) == ("waiting", None, "signal 9")


def test_a_part_that_can_not_run_as_configured_ends_the_run_with_its_own_words(
    tmp_path: Path,
) -> None:
    code = f"print('bobr: the disk is full'); raise SystemExit({os.EX_CONFIG})"
    with supervised(Watch(), tmp_path, a=FOR_EVER, b=code) as supervisor:
        assert supervisor.run(threading.Event()) == "b: the disk is full"


@pytest.mark.parametrize("code", [OBEDIENT, FOR_EVER])
def test_stop_ends_those_last_that_others_speak_to(tmp_path: Path, code: str) -> None:
    watch = Watch()
    said = "import atexit; atexit.register(print, 'over', flush=True); "
    with supervised(watch, tmp_path, **dict.fromkeys([*LATE, "a", "b"], said + code)):
        for _ in range(4):
            watch.until_said("ready")
    if code == OBEDIENT:
        ends = [watch.until_said("over").split(":")[0] for _ in range(4)]
        assert ends == ["a", "b", "heard later", "heard last"]


def until_ended(watch: Watch, folder: Path, code: str) -> None:
    """Run a part to its end, when all of its words are in its file."""
    with supervised(watch, folder, a=code) as supervisor, running(supervisor):
        watch.until(lambda parts: parts["a"].last_exit is not None)


def test_what_a_part_writes_to_stderr_is_in_its_file(tmp_path: Path) -> None:
    code = "import os, sys; sys.stderr.write('hm\\n'); sys.stderr.flush(); os.write(2, b'\\xff!'); os.abort()"
    (tmp_path / "a").write_text("before\n")
    until_ended(Watch(), tmp_path, code)
    assert (tmp_path / "a").read_text().startswith("before\nhm\n\N{REPLACEMENT CHARACTER}!\n")


def test_what_a_part_writes_to_stderr_is_bounded(tmp_path: Path) -> None:
    megabytes = 3 * FILE_BYTES_MAX >> 20
    code = (
        "import sys\n"
        f"for n in range({megabytes} * 1024): sys.stderr.write(f'{{n:08}} ' + 'x' * 1014 + '\\n')\n"
        "sys.stderr.write('y' * 3_000_000 + 'end')"
    )
    until_ended(Watch(), tmp_path, code)
    files = {path.name: path for path in tmp_path.iterdir()}
    assert files.keys() == {"a", "a.1"}
    assert all(path.stat().st_size <= FILE_BYTES_MAX for path in files.values())
    assert files["a"].stat().st_size + files["a.1"].stat().st_size > FILE_BYTES_MAX
    assert files["a"].read_text().rstrip().endswith("end")


def test_a_part_runs_on_when_its_file_can_not_be_written(tmp_path: Path) -> None:
    watch = Watch()
    (tmp_path / "a").mkdir()
    code = "import sys; sys.stderr.write('x' * 1_000_000 + '\\n'); print('went on', flush=True)"
    with supervised(watch, tmp_path, a=f"{code}; {FOR_EVER}"):
        watch.until_said("went on")


def test_nothing_is_started_again_after_the_end(tmp_path: Path) -> None:
    watch = Watch()
    with supervised(watch, tmp_path, a=OBEDIENT) as supervisor, running(supervisor):
        watch.until_said("ready")
    assert watch.parts.queue[-1]["a"].restarts == 0
    assert (tmp_path / "a").read_text() == "", "there, for whoever looks into it"
