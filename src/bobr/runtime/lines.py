"""Where the parts of one machine reach each other: at ports, or where those speak TLS at socket files.

The files lie in a folder that only the user of the system enters, and no network leads to them: so parts need no
certificates, whoever signed those of the ports, and none of their lines breaks when one is replaced.
"""

import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx2

SOCKET = "unix:"
PATH_BYTES_MAX = 100
"""Of a socket's path: Linux takes 107."""
CONTROL, RELAY, CONFIGURATOR = "control.sock", "relay.sock", "configurator.sock"


def reach(control: str) -> tuple[str, httpx2.HTTPTransport | None]:
    """Base URL and transport for a client of the controller. control: `http://host:port` or `unix:/path`."""
    if control.startswith(SOCKET):
        return "http://controller", httpx2.HTTPTransport(uds=control.removeprefix(SOCKET))
    return control, None


class SocketFiles:
    """A folder of them, made anew. control: listens, for the controller to inherit; gRPC makes the others itself."""

    def __init__(self, root: Path) -> None:
        """In that data folder, which is ours, or where its path is too long for sockets in a temporary one."""
        folder = root.absolute() / "lines"
        if len(os.fsencode(folder / CONFIGURATOR)) > PATH_BYTES_MAX:
            folder = Path(tempfile.mkdtemp(prefix="bobr-"))
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self._remove()  # of a system that was killed
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control.bind(str(folder / CONTROL))
        self.control.listen()
        self.control.set_inheritable(True)

    @property
    def control_url(self) -> str:
        """For `reach`."""
        return f"{SOCKET}{self._folder / CONTROL}"

    def addresses(self) -> Mapping[str, str]:
        """Of the parts' own gRPC servers, instead of their ports."""
        return {
            "relay": f"{SOCKET}{self._folder / RELAY}",
            "configurator": f"{SOCKET}{self._folder / CONFIGURATOR}",
        }

    def close(self) -> None:
        """Nobody comes any more."""
        self.control.close()
        self._remove()
        self._folder.rmdir()

    def _remove(self) -> None:
        for name in (CONTROL, RELAY, CONFIGURATOR):
            (self._folder / name).unlink(missing_ok=True)
