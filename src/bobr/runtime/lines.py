"""Where the parts of one machine reach their controller: at its port, or where that speaks TLS at a socket file.

The file is the supervisor's and its parts' alone, and no network leads to it: so parts need no certificates, whoever
signed those of the ports, and none of their lines breaks when one is replaced.
"""

import os
import socket
import tempfile
from pathlib import Path

import httpx2

SOCKET = "unix:"
PATH_BYTES_MAX = 100
"""Of a socket's path: Linux takes 107."""


def reach(control: str) -> tuple[str, httpx2.HTTPTransport | None]:
    """Base URL and transport for a client of the controller. control: `http://host:port` or `unix:/path`."""
    if control.startswith(SOCKET):
        return "http://controller", httpx2.HTTPTransport(uds=control.removeprefix(SOCKET))
    return control, None


def open_line(folder: Path) -> socket.socket:
    """A socket in that folder that listens, or where its path is too long for one in a folder of its own."""
    path = folder.absolute() / "parts.sock"
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        path = Path(tempfile.mkdtemp(prefix="bobr-")) / "parts.sock"
    path.unlink(missing_ok=True)  # of a system that was killed: the folder is ours
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.fchmod(line.fileno(), 0o600)  # on Linux the file gets the rights of the socket
    line.bind(str(path))
    path.chmod(0o600)
    line.listen()
    line.set_inheritable(True)
    return line


def line_url(line: socket.socket) -> str:
    """For `reach`."""
    return f"{SOCKET}{line.getsockname()}"


def close_line(line: socket.socket) -> None:
    """Nobody comes any more."""
    path = Path(line.getsockname())
    line.close()
    path.unlink(missing_ok=True)
    if path.parent.name.startswith("bobr-") and path.parent.parent == Path(tempfile.gettempdir()):
        path.parent.rmdir()
