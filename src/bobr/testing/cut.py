"""A relay of TCP that cuts a connection at a word of the client's: what was said then is lost, or its answer."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

PIECE_BYTES = 64 * 1024


class Cut(Enum):
    """What the other side heard of the word."""

    BEFORE = "nothing"
    AFTER = "all, and answered; the answer is lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """To cut once."""

    cut: Cut
    word: bytes
    behind: bytes
    """What the client must have said before, on the same connection and since the order."""
    then_refuse: bool


class CuttingRelay:
    """Listens on a port of this machine and relays to an address."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Relays until `close`; cuts nothing until it is told to."""
        self._address = address
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.has_cut = False
        self._order: Order | None = None
        self._refuses = False
        self._ends: list[socket.socket] = [self._listening]
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def cut_once(self, cut: Cut, word: bytes, *, behind: bytes, then_refuse: bool = False) -> None:
        """At the next such word; from then on, with `then_refuse`, every new connection is closed."""
        self.has_cut = False
        self._order = Order(cut=cut, word=word, behind=behind, then_refuse=then_refuse)

    def accept_again(self) -> None:
        """Refuse no more."""
        self._refuses = False

    def close(self) -> None:
        """End every connection, and the threads."""
        for end in self._ends:
            _end(end)
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            server = socket.create_connection(self._address)
            self._ends += [client, server]
            lost = threading.Event()
            self._run(self._listen, client, server, lost)
            self._run(self._answer, server, client, lost)

    def _listen(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        """Relay what the client says, up to the cut."""
        said = b""
        while piece := _received(client):
            said = said + piece if self._order else b""  # what was said before does not count
            cut = self._cut_here(said)
            if cut is Cut.BEFORE:
                break
            if cut is Cut.AFTER:
                lost.set()
            _send(server, piece)
        _end(client)
        _end(server)

    def _answer(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        """Relay what the server says, unless it is lost."""
        while piece := _received(server):
            if lost.is_set():
                break
            _send(client, piece)
        _end(server)
        _end(client)

    def _cut_here(self, said: bytes) -> Cut | None:
        order = self._order
        if order is None or order.word not in said.partition(order.behind)[2]:
            return None
        self._order, self.has_cut, self._refuses = None, True, order.then_refuse
        return order.cut


def _received(end: socket.socket) -> bytes:
    """Empty: it ended."""
    with suppress(OSError):
        return end.recv(PIECE_BYTES)
    return b""


def _send(end: socket.socket, piece: bytes) -> None:
    with suppress(OSError):
        end.sendall(piece)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
