"""How commands end: the one status and the one line for each kind of failure."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from bobr.cli.ending import told
from bobr.errors import BobrError, MisconfiguredError, RejectedError

BOBR = (sys.executable, "-m", "bobr.cli")
NO_TABLES = "select range from range(100000)"


def ending(failure: Exception, *, part: bool = False) -> int:
    def command() -> None:
        raise failure

    with pytest.raises(typer.Exit) as caught:
        told(command, part=part)()
    return caught.value.exit_code


def test_a_mistake_is_its_own_words_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(RejectedError("no stream 'x'")) == 2
    assert capsys.readouterr() == ("", "bobr: no stream 'x'\n")


def test_a_bug_is_one_line_and_status_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BOBR_TRACE", raising=False)
    assert ending(KeyError("a\nb")) == 70
    (line,) = capsys.readouterr().err.splitlines()
    assert "KeyError" in line
    assert "BOBR_TRACE=1" in line


@pytest.mark.parametrize("failure", [KeyError("lake"), RejectedError("no such stream")])
def test_whoever_asks_is_given_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setenv("BOBR_TRACE", "1")
    ending(failure)
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("bobr: ")


def test_a_part_tells_its_supervisor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last line on stdout for what a person must mend; its log for a bug."""
    monkeypatch.delenv("BOBR_TRACE", raising=False)
    assert ending(MisconfiguredError("the log is damaged"), part=True) == 78
    assert capsys.readouterr() == ("bobr: the log is damaged\n", "")
    assert ending(BobrError("something else"), part=True) == 2
    assert ending(ValueError("a bug"), part=True) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_exit_of_the_commands_own_stays() -> None:
    def command() -> None:
        raise typer.Exit(1)

    with pytest.raises(typer.Exit) as caught:
        told(command)()
    assert caught.value.exit_code == 1


def sql(query: str, folder: Path, stdout: int) -> "subprocess.CompletedProcess[str]":
    (folder / "catalog.sqlite").touch()
    command = [*BOBR, "sql", query, "--csv", "--dir", str(folder)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, stdout=stdout)


@pytest.mark.parametrize("query", ["select 1 as a", NO_TABLES], ids=["buffered", "long"])
def test_a_full_disk_at_the_output_is_one_line(tmp_path: Path, query: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = sql(query, tmp_path, full)
    finally:
        os.close(full)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line


WIDE = "select 'ö€' as a"
LATIN = {"PYTHONIOENCODING": "ascii"}


def in_ascii(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [*BOBR, *words]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **LATIN},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_data_that_the_output_has_no_letters_for_is_not_written(tmp_path: Path, form: str) -> None:
    (tmp_path / "catalog.sqlite").touch()
    done = in_ascii(tmp_path, "sql", WIDE, form, "--dir", str(tmp_path))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "ascii, which has no '\\xf6'" in line) == (2, True)
    assert "f6" not in done.stdout


def test_words_that_the_output_has_no_letters_for_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").touch()
    table = in_ascii(tmp_path, "sql", WIDE, "--dir", str(tmp_path))
    assert (table.returncode, r"\xf6\u20ac" in table.stdout) == (0, True)
    conf = tmp_path / os.fsdecode(b"conf\xff")
    conf.mkdir()
    (conf / "bobr.yaml").write_text('streams: {"größe\\e[2J": {message: a}}')
    for variables in (LATIN, {}):
        done = subprocess.run(
            [*BOBR, "validate", "--offline", str(conf)],
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, b"bobr: 1 problem\n")
        assert rb"\x1b[2J" in done.stdout
        assert rb"conf\udcff" in done.stdout


@pytest.mark.parametrize("words", ["--help", "--version", "status --help", "serve broker -h"])
def test_a_full_disk_at_the_help_is_one_line(words: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*BOBR, *words.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "No space left on device" in line) == (2, True)


@pytest.mark.parametrize("query", ["select 1 as a", NO_TABLES], ids=["buffered", "long"])
def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path, query: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = sql(query, tmp_path, writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


PARTLY = """
import sys, typer
from bobr.cli.ending import told
def partly():
    print("some of it")
    raise typer.Exit(1)
typer.run(told(partly))
"""


@pytest.mark.parametrize(
    ("out", "status", "err"), [("closed", 1, ""), ("/dev/full", 2, "No space left on device")]
)
def test_a_status_of_the_commands_own_is_kept_unless_its_output_is_lost(
    out: str, status: int, err: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    done = subprocess.run(
        [sys.executable, "-c", PARTLY],
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=writing if out == "closed" else full,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    os.close(full)
    assert (done.returncode, len(done.stderr.splitlines())) == (status, bool(err))
    assert err in done.stderr


@pytest.mark.parametrize(
    "words", [["-h"], ["sql", "-h"], ["serve", "broker", "-h"], ["--help"]], ids=" ".join
)
def test_help_is_two_letters_or_four(words: list[str]) -> None:
    done = subprocess.run([*BOBR, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.startswith("Usage: ")) == (0, True)


INTERRUPTED_AT = """
import os, signal, sys
how, wanted = sys.argv.pop(1), sys.argv.pop(1)
def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
class Deleted:
    __del__ = interrupt
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            interrupt() if how == "plain" else Deleted()
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
from bobr.cli import main
sys.exit(main())
"""
"""As the console script starts it; Ctrl-C comes while the module is imported that its first argument names."""


@pytest.mark.parametrize("module", ["bobr.cli.commands", "typer", "bobr.cli.up", "duckdb"])
def test_an_interrupted_import_is_no_traceback(tmp_path: Path, module: str) -> None:
    (tmp_path / "catalog.sqlite").touch()
    words = ("sql", "select 1 as a", "--dir", str(tmp_path))
    command = [sys.executable, "-c", INTERRUPTED_AT, "plain", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("module", ["typer", "bobr.runtime.folder", "bobr.runtime.system"])
def test_an_interrupt_while_an_object_is_deleted_is_heard(tmp_path: Path, module: str) -> None:
    """Where an exception would be told on stderr, and forgotten."""
    words = ("up", "--port", "0", "--dir", str(tmp_path / "data"))
    command = [sys.executable, "-c", INTERRUPTED_AT, "deleted", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run([*BOBR, "--version"], capture_output=True, text=True, check=True)
    name, version = done.stdout.split()
    assert name == "bobr"
    assert version[0].isdigit()


def test_the_wrapped_command_keeps_its_name_and_words() -> None:
    def command() -> None:
        """Words."""

    wrapped: Callable[[], None] = told(command)
    assert (wrapped.__name__, wrapped.__doc__) == ("command", "Words.")


HUNG_UP = """
import os, signal, sys
from bobr.cli import EndedError, ends_raise
number = signal.Signals[sys.argv[1]]
if sys.argv[2] == "nohup":
    signal.signal(number, signal.SIG_IGN)
ends_raise()
try:
    os.kill(os.getpid(), number)
except KeyboardInterrupt as error:
    assert isinstance(error, EndedError)
    sys.exit(error.status)
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [(("SIGTERM", ""), 143), (("SIGHUP", ""), 129), (("SIGHUP", "nohup"), 0)],
    ids=["SIGTERM", "SIGHUP", "nohup"],
)
def test_other_signals_are_as_an_interrupt_unless_they_were_ignored(
    words: tuple[str, str], status: int
) -> None:
    done = subprocess.run([sys.executable, "-c", HUNG_UP, *words], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (status, b"")
