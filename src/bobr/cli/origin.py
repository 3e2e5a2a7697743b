"""Who applies a configuration, and which one it is: for the history of revisions."""

import getpass
import socket
import subprocess
from pathlib import Path

GIT_SECONDS = 5.0


def author_here(conf: Path) -> str:
    """`Ann <ann@example.org>` as git knows the author, else the system's name of who runs this."""
    if author := _git(conf, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"):
        return author.rsplit(maxsplit=2)[0]  # without the time and its zone
    if known := _git(conf, "config", "user.name") or _git(conf, "config", "user.email"):
        return known
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def source_of(conf: Path) -> str:
    """`conf at git 1a2b3c4d5e`, with a word if there is more than that in the folder."""
    commit = _git(conf, "rev-parse", "--short=10", "HEAD")
    if not commit:
        return conf.as_posix()
    changed = " and changes" if _git(conf, "status", "--porcelain", "--", ".") else ""
    return f"{conf.as_posix()} at git {commit}{changed}"


def _git(conf: Path, *words: str) -> str:
    """What git prints; nothing: there is no git, or no repository."""
    folder = conf if conf.is_dir() else conf.parent
    try:
        done = subprocess.run(
            ("git", "-C", str(folder), *words),  # noqa: S607  # the one that the user has
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
