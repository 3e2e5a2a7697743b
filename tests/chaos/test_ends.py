"""How a system ends: by a signal, a command or a terminal, under load, or since its supervisor was killed."""

import os
import pty
import re
import select
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest

from bobr.testing.producer import LedgerProducer
from bobr.testing.trial import Trial
from bobr.testing.waiting import stop, wait_until
from bobr.testing.ways import http, streaming, unary

pytestmark = pytest.mark.slow


def counted(words: str, stream: str) -> int:
    """Events that the broker says it has put into the log, with its last words."""
    pattern = rf"^broker: .*\b{stream}: ([\d,]+) in the log, 0 refused"
    (count,) = re.findall(pattern, words, re.MULTILINE)
    return int(count.replace(",", ""))


def assert_ended_well(trial: Trial, producer: LedgerProducer, words: str) -> None:
    """What was said agrees with the ledger, and all of it is in the table after the next start."""
    assert producer.acknowledged <= counted(words, trial.stream) <= producer.sent
    assert "killed" not in words
    trial.system.up()
    trial.assert_each_once(producer)


def test_sigterm_under_load_loses_nothing_and_says_how_much_there_was(trial: Trial) -> None:
    for way in (unary, streaming, http):
        trial.stream = f"by_{way.__name__}"
        trial.deliver()
        with trial.producer(per_call=20, way=way) as producer:
            producer.wait_for(2_000)
            supervisor = os.pidfd_open(trial.system.running.pid)
            os.kill(trial.system.running.pid, signal.SIGTERM)
            select.select([supervisor], [], [])
            os.close(supervisor)
        words = (trial.system.root / "logs" / "up.log").read_text()
        assert counted(words, trial.stream) == producer.acknowledged, (
            "every call was answered, or nothing of it stored"
        )
        assert_ended_well(trial, producer, words)


def test_ctrl_c_in_a_terminal_ends_it_in_order(trial: Trial) -> None:
    trial.system.down()
    terminal, end = pty.openpty()
    process = trial.system.start(
        "up", "--port", "0", stdin=end, stdout=end, stderr=end, preexec_fn=take_terminal
    )
    os.close(end)
    words = read_until(terminal, "controller and registry")
    with trial.producer(per_call=20) as producer:
        producer.wait_for(2_000)
        os.write(terminal, b"\x03")
        words += read_until(terminal, None)
    assert process.wait() == 0, words
    assert "Traceback" not in words
    assert_ended_well(trial, producer, words.replace("\r", ""))


def take_terminal() -> None:
    """In the child: stdin becomes the terminal of a session of its own, as a shell's window is."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_until(terminal: int, word: str | None) -> str:
    """What the terminal shows, up to the word, or to the end of its last process."""
    said = b""
    while word is None or word.encode() not in said:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody has the other end any more
            piece = b""
        if not piece:
            assert word is None, said.decode()
            break
        said += piece
    return said.decode()


def test_who_comes_when_the_broker_has_ended_is_refused(trial: Trial) -> None:
    """Not left in a line that nobody attends to any more, and cut off when the rest of the system has ended."""
    url = f"http://{trial.addresses()['http']}/healthz"
    broker = os.pidfd_open(trial.part("broker")["pid"])
    with trial.system.start("down") as down:
        select.select([broker], [], [])
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(url, trust_env=False, timeout=60.0)
    os.close(broker)
    assert down.returncode == 0


def test_who_waits_for_an_ending_controller_is_told_so(trial: Trial) -> None:
    """A followed tail, and a change that is stored and waits for a part. There is no error in the log."""
    trial.system.ok("publish", trial.stream, "-", stdin='{"event_id": "1"}')
    proto, controller = trial.folder / "trial.proto", trial.part("controller")["pid"]
    broker = trial.part("broker")["pid"]
    waiting = [
        trial.system.start(*line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in (
            ("tail", trial.stream, "--from", "beginning"),
            ("deliver", str(proto), "--stream", trial.stream, "--retention", "3d"),
        )
    ]
    assert waiting[0].stdout is not None
    assert waiting[0].stdout.readline(), "it is open"
    stop(broker)
    try:
        url = f"http://{trial.addresses()['control']}/v1/catalog"
        wait_until(lambda: httpx2.get(url, trust_env=False).json()["revision"] == 2)
        os.kill(controller, signal.SIGTERM)
        said = [each.communicate(timeout=60)[1] for each in waiting]
    finally:
        os.kill(broker, signal.SIGCONT)
    log = (trial.system.root / "logs" / "controller.log").read_text()
    assert '"error"' not in log
    assert [each.returncode for each in waiting] == [2, 2], said
    assert [each.count("\n") for each in said] == [1, 1], said
    assert "revision 2 is stored, but not every part runs it yet: broker: " in said[1]


def test_down_and_up_twice_are_told_so(trial: Trial) -> None:
    pid = trial.system.running.pid
    again = trial.system.run("up", "--port", "0")
    assert (again.status, again.out) == (2, "")
    assert f"is in use by process {pid}: `bobr down` ends it" in again.err
    assert trial.system.running.pid == pid
    detached = trial.system.run("up", "--port", "0", "--detach")
    assert (detached.status, f"in use by process {pid}" in detached.err) == (2, True)
    words = (trial.system.root / "logs" / "up.log").read_text()
    assert "bobr is up after" in words, "the running system's words are still there"
    trial.system.down()
    for command, status in (("down", 0), ("status", 2)):
        done = trial.system.run(command)
        assert (done.status, done.out) == (status, "")
        assert done.err.startswith("bobr: no system runs in")
        assert done.err.count("\n") == 1


def test_the_parts_end_when_their_supervisor_is_killed(trial: Trial) -> None:
    with trial.producer(per_call=20) as producer:
        producer.wait_for(1_000)
        pids = trial.system.pids()
        os.kill(pids[0], signal.SIGKILL)
        trial.system.up()  # waits for the old parts
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        producer.wait_for(producer.acknowledged + 20)
    trial.assert_each_once(producer)


def test_a_damaged_word_of_what_runs_is_one_clear_line(trial: Trial) -> None:
    running = trial.system.root / "running.json"
    word = running.read_bytes()
    for damage in (b"", b"{", b"[]", b'{"pid": "x"}', b"\xff" * 100, b'{"pid": 1}'):
        running.write_bytes(damage)
        for command in ("status", "down"):
            done = trial.system.run(command)
            assert (done.status, done.err.count("\n")) == (2, 1), done
            assert "running.json does not tell where" in done.err
    running.write_bytes(word)
    trial.system.down()
    running.write_bytes(b"{")
    trial.system.up()
