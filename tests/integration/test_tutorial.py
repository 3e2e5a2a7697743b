"""The pages that readers follow with their hands: files saved, commands run in order, output compared with the page.

In a page, a block that begins with a language and a name (`proto shop.proto`) is a file to save. In `console` blocks
`$ ` begins a command, a backslash at its end continues it, and the lines below are what it prints; without such lines
it must succeed. `…` stands for what differs from run to run. Other blocks are not run, nor are commands of `make`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "docs/tutorial/first-table.md", "docs/guides/producers.md"),
    "docs/guides/read-tables.md",
)
BLOCK = re.compile(r"^```(\S+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = {
    "7070": "http",
    "7071": "grpc",
    "7072": "control",
    "7073": "relay",
    "7074": "configurator",
    "7075": "control_grpc",
}
END = "-- end of the command --"


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """A file that the reader is to save."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command, and the lines that the page says it prints."""

    command: str
    shown: Sequence[str]


def steps(page: str) -> Iterator[Save | Run]:
    for language, name, text in BLOCK.findall(page):
        if language == "console":
            yield from _runs(text)
        elif name:
            yield Save(name=name, text=text)


def _runs(text: str) -> Iterator[Run]:
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        if not command.startswith("make "):
            yield Run(command=re.sub(r"\s+# .*", "", command), shown=shown)


class Shell:
    """One bash for a whole page, as the reader has."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BOBR_")}
        self._bash = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**kept, "PATH": path, "HOME": str(folder)},
        )
        self._ports: dict[str, str] = {}

    def close(self) -> None:
        """End what the page has left running, then the shell."""
        self._ask("bobr down")
        self._bash.communicate()

    def save(self, file: Save) -> None:
        folder, _ = self._ask("pwd")
        Path(folder.strip(), file.name).write_text(file.text)

    def run(self, step: Run) -> None:
        starts = step.command.startswith("bobr up")
        command = f"{step.command} --port 0" if starts else self._here(step.command)
        printed, status = self._ask(command)
        if starts:
            self._learn_ports()
        if step.shown:
            shown = [self._here(line) for line in step.shown]
            assert _agrees(shown, printed), f"$ {command}\n{printed}\nbut the page shows\n{shown}"
        else:
            assert status == 0, f"$ {command}\nended with {status}:\n{printed}"

    def _ask(self, command: str) -> tuple[str, int]:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        script = (
            f"{{ {command}\n}} < /dev/null; status=$?; echo; echo '{END}' $status; (exit $status)\n"
        )
        self._bash.stdin.write(script)
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(END):
                return "".join(lines), int(line.removeprefix(END))
            lines.append(line)
        raise AssertionError(f"the shell ended in {command}")

    def _learn_ports(self) -> None:
        """Ports of the page → those that the system has here."""
        printed, _ = self._ask("bobr status --json")
        addresses = json.loads(printed)["addresses"]
        self._ports = {port: addresses[name].split(":")[1] for port, name in PORTS.items()}

    def _here(self, text: str) -> str:
        return re.sub(r"(?<=:)707\d\b", lambda found: self._ports.get(found[0], found[0]), text)


def _agrees(shown: Sequence[str], printed: str) -> bool:
    """Line by line, for all but the width of spaces and what `…` stands for."""
    pattern = r"\n".join(re.escape(_plain(line)).replace("…", ".*") for line in shown).strip()
    lines = "\n".join(map(_plain, printed.splitlines())).strip()
    return re.fullmatch(pattern, lines) is not None


def _plain(line: str) -> str:
    return " ".join(line.split())


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a folder that has what a clone has, as far as the pages use it."""
    for name in ("docs", "proto"):
        (tmp_path / name).symlink_to(ROOT / name)
    bash = Shell(tmp_path)
    try:
        yield bash
    finally:
        bash.close()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(shell: Shell, page: str) -> None:
    done = 0
    for step in steps((ROOT / page).read_text()):
        if isinstance(step, Save):
            shell.save(step)
        else:
            shell.run(step)
            done += 1
    assert done >= 3, "the page has commands"
