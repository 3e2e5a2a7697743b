"""Where streams end: one look at the database for all readers of a process that wait."""

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing

from bobr.errors import BobrError
from bobr.log.sqlite.database import Database

LOOK_SECONDS = 0.005
"""Between two looks while events come; a look takes some 10 µs."""
LOOK_SECONDS_MAX = 0.04
"""The longest such pause: each look that finds nothing doubles it, so an idle log costs next to nothing."""

Ends = Mapping[str, int]
"""Per stream the offset of its next event. Absent: there is no such stream."""


class EndsWatch:
    """Wakes each reader when a stream of its own has grown. Thread-safe.

    A thread of its own looks, only while somebody waits. Who reads an idle stream sleeps on, however busy the
    others are.
    """

    def __init__(self, database: Database) -> None:
        """Nothing is opened before the first wait."""
        self._database = database
        self._changed = threading.Condition()
        self._waiters: dict[threading.Event, Ends] = {}
        self._ends: Ends = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self, positions: Ends, wake: threading.Event, timeout_seconds: float) -> None:
        """Until one of these streams ends behind its position, or `wake` is set; it is unset then.

        Also until the ends can not be read: whoever waits then looks himself, and is told why.
        """
        with self._changed:
            self._begin()
            if _grown(self._ends, positions):
                wake.set()
            self._waiters[wake] = positions
            self._changed.notify_all()
        wake.wait(timeout_seconds)
        with self._changed:
            del self._waiters[wake]
        wake.clear()

    def close(self) -> None:
        """End the thread. Idempotent."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        if self._thread is None:
            connection = self._database.connect()
            self._thread = threading.Thread(
                target=self._run, args=(connection,), name="bobr-log-ends", daemon=True
            )
            self._thread.start()

    def _run(self, connection: sqlite3.Connection) -> None:
        """Look until closed, the less often the longer nothing came."""
        version, pause = None, LOOK_SECONDS
        with closing(connection):
            while self._is_awaited():
                known, version = version, self._look(connection, version)
                pause = LOOK_SECONDS if version != known else min(2 * pause, LOOK_SECONDS_MAX)
                self._closing.wait(pause)

    def _is_awaited(self) -> bool:
        """Blocks until somebody waits; False: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiters or self._closing.is_set())
        return not self._closing.is_set()

    def _look(self, connection: sqlite3.Connection, known: int | None) -> int | None:
        """Tell what was committed since version `known`; the version now, None: it can not be read."""
        try:
            with self._database.translated():
                (version,) = connection.execute("pragma data_version").fetchone()
                if version != known:
                    self._tell(dict(connection.execute('select name, "end" from stream')))
        except BobrError:
            self._wake_all()
            return None
        return int(version)

    def _tell(self, ends: Ends) -> None:
        with self._changed:
            self._ends = ends
            for wake, positions in self._waiters.items():
                if _grown(ends, positions):
                    wake.set()

    def _wake_all(self) -> None:
        with self._changed:
            for wake in self._waiters:
                wake.set()


def _grown(ends: Ends, positions: Ends) -> bool:
    return any(ends.get(stream, 0) > position for stream, position in positions.items())
