"""References to what stands outside of the catalog: `${env:NAME}` and `${file:/path}`. Nothing secret is ever stored.

A text keeps its references until the part that needs it resolves them, where it runs, each time it connects.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NewType

from bobr.errors import MisconfiguredError

Text = NewType("Text", str)
"""A text that may hold references."""

REFERENCE = re.compile(r"\$\{(env|file):([^{}]*)\}")
"""None begins inside another: else a text of beginnings alone takes hours to look through."""
ANYTHING = re.compile(r"\$\{[^}]*\}?")
FILE_BYTES_MAX = 64 * 1024
"""A secret is no larger."""


def is_whole(text: str) -> bool:
    """Whether it is one reference and nothing else."""
    return REFERENCE.fullmatch(text) is not None


def faulty(text: str) -> list[str]:
    """What looks like a reference and is none."""
    return [found for found in ANYTHING.findall(text) if not _is_sound(found)]


def _is_sound(text: str) -> bool:
    match = REFERENCE.fullmatch(text)
    if match is None:
        return False
    kind, name = match.groups()
    return bool(name.startswith("/") if kind == "file" else re.fullmatch(r"[A-Za-z_]\w*", name))


def resolve(text: Text, environment: Mapping[str, str] = os.environ) -> str:
    """The text with what its references name. MisconfiguredError: a variable is not set, a file can not be read."""
    return REFERENCE.sub(lambda match: _value(match[1], match[2], environment), text)


def _value(kind: str, name: str, environment: Mapping[str, str]) -> str:
    if kind == "file":
        return _content(Path(name))
    if name not in environment:
        raise MisconfiguredError(
            f"the environment variable {name}, which ${{env:{name}}} refers to, is not set where this part runs"
        )
    return environment[name]


def _content(path: Path) -> str:
    """Without the newline at its end, which editors add. A pipe or a device may keep who reads it for ever."""
    try:
        with open(path, "rb", opener=_at_once) as file:  # Path.open takes no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is no file, but a pipe, a device or a folder")
            content = file.read(FILE_BYTES_MAX + 1)
        text = content.decode()
        if "\0" in text:  # of UTF-16, or of a file that was cut off: no path and no password has it
            raise ValueError("it has a NUL character: save it as UTF-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MisconfiguredError(
            f"{path}, which ${{file:{path}}} refers to, can not be read: {why}"
        ) from error
    if len(content) > FILE_BYTES_MAX:
        raise MisconfiguredError(
            f"{path}, which ${{file:{path}}} refers to, has more than {FILE_BYTES_MAX} bytes"
        )
    return text.removesuffix("\n")


def _at_once(path: str, flags: int) -> int:
    """Open it, and do not wait for who writes into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
