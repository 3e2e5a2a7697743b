"""The dedup index: which event ids a table already has.

An event is a duplicate if a row with its id was ingested at most `window_seconds` away from it
(whole seconds; see docs/adr/0002). The index lives in memory only. It is built from the table
itself, so there is no second truth: ids of staged rows are `pending` until the commit, and
forgotten with them.

A key takes 16 bytes: 96 bits of a keyed hash of the id, 32 bits of ingest time in seconds. Keys lie
in sorted runs (`runs.py`), so one batch is looked up with a few vectorised binary searches.
"""

import secrets
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from bobr.transmitter.idhash import IdHash
from bobr.transmitter.runs import Arrivals, Runs

log = structlog.get_logger(__name__)

KEYS_MAX = 100_000_000
"""1.6 GB. A stream of 1,000 events a second fills that in 28 hours."""

Seconds = npt.NDArray[np.uint64]
"""Ingest times in whole seconds since 1970, up to the year 2106."""


class DedupIndex:
    """The ids of one table's rows, by ingest time. One owner thread."""

    def __init__(self, window_seconds: int, keys_max: int = KEYS_MAX) -> None:
        """`window_seconds` ≥ 1. Beyond `keys_max` the oldest ids are forgotten, counted in
        `evicted`.
        """
        self._window = window_seconds
        self._keys_max = keys_max
        self._hash = IdHash(secrets.token_bytes(32))
        self._since = 0
        self.evicted = 0
        self.clear()

    def __len__(self) -> int:
        """Ids held."""
        return len(self._committed) + len(self._pending)

    def clear(self) -> None:
        """Forget everything; nothing is covered until `load`."""
        self._committed = Runs(run_keys_max=max(1, self._keys_max // 12))
        self._pending = Runs(run_keys_max=self._keys_max)
        self._since = 1 << 32

    def covers(self, oldest: datetime) -> bool:
        """Whether events ingested since `oldest` can be judged; if not, `load` from an earlier
        time.
        """
        return _second(oldest) - self._window >= self._since

    def load(self, ids: pa.RecordBatchReader, since: datetime) -> None:
        """Start anew from the table's rows: `_event_id` (no nulls) and `_ingest_time`, all since
        `since`.
        """
        self.clear()
        for batch in ids:
            hashes = self._hash(batch.column(0))
            self._committed.add(Arrivals.of(hashes, _seconds(batch.column(1))).run)
            self._limit()
        self._since = _second(since)

    def fresh(self, ids: pa.StringArray, ingested: pa.TimestampArray) -> npt.NDArray[np.bool_]:
        """Which events are no duplicates; their ids are pending from now on. A null id is always
        fresh.

        The first of equals stays, in the order of the batch.
        """
        known = ids.is_valid().to_numpy(zero_copy_only=False)
        fresh = np.ones(len(ids), dtype=bool)
        if known.any():
            rows = Arrivals.of(self._hash(ids.drop_null()), _seconds(ingested)[known])
            fresh[known] = self._fresh(rows)
        return fresh

    def _fresh(self, rows: Arrivals) -> npt.NDArray[np.bool_]:
        """For each row, in its order before sorting (`rows.order`)."""
        old = self._committed.near(rows.run, self._window) | self._pending.near(
            rows.run, self._window
        )
        candidates = rows.filter(~old)
        first = candidates.first_of_equals(self._window)
        self._pending.add(candidates.filter(first).run)
        fresh = np.zeros(len(rows), dtype=bool)
        fresh[candidates.order[first]] = True
        return fresh

    def commit(self) -> None:
        """What was pending is in the table now."""
        self._committed.extend(self._pending)
        self._pending = Runs(run_keys_max=self._keys_max)
        self._limit()

    def rollback(self) -> None:
        """What was pending was dropped by the sink."""
        self._pending = Runs(run_keys_max=self._keys_max)

    def forget_before(self, oldest: datetime) -> None:
        """No event ingested before `oldest` comes any more: forget ids only those could meet."""
        self._since = max(self._since, _second(oldest) - self._window)
        self._committed.forget_before(self._since)

    def _limit(self) -> None:
        while len(self) > self._keys_max and (lost := self._committed.drop_oldest()):
            self.evicted += lost
            log.warning(
                "dedup index is full: the oldest ids are forgotten, their duplicates would stay",
                forgotten=lost,
                keys_max=self._keys_max,
            )


def _second(time: datetime) -> int:
    return int(time.astimezone(UTC).timestamp() // 1)


def _seconds(times: pa.TimestampArray) -> Seconds:
    micros: npt.NDArray[np.int64] = times.cast(pa.int64()).to_numpy()
    return np.clip(micros // 1_000_000, 0, (1 << 32) - 1).astype(np.uint64)
