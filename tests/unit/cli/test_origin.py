"""Who applies a configuration: as git knows the author, by its configuration or by the environment."""

import getpass
import socket
from pathlib import Path

import pytest

from bobr.cli.origin import author_here


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home where git knows nobody."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "gitconfig"


@pytest.mark.parametrize(
    ("configured", "author"),
    [
        ("name = Ann of Orders\n\temail = ann@example.org", "Ann of Orders <ann@example.org>"),
        ("name = Ann", "Ann"),
        ("email = ann@example.org", "ann@example.org"),
    ],
)
def test_whom_git_knows(nobody: Path, tmp_path: Path, configured: str, author: str) -> None:
    nobody.write_text(f"[user]\n\t{configured}\n")
    assert author_here(tmp_path) == author


def test_the_environment_comes_before_the_configuration(
    nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody.write_text("[user]\n\tname = Ann\n\temail = ann@example.org\n")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Release Robot")
    assert author_here(tmp_path) == "Release Robot <ann@example.org>"


def test_else_who_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = f"{getpass.getuser()}@{socket.gethostname()}"
    assert author_here(tmp_path) == system
    monkeypatch.setenv("PATH", str(tmp_path))
    assert author_here(tmp_path) == system, "there is no git"
