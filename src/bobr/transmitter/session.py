"""What a pipeline holds between opening its table and losing it: reader, sink, ids, staged rows.

It only does; when to commit and what to do after an error is the pipeline's business.
"""

from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from bobr.batch import Positions, StoredBatch
from bobr.errors import BobrError, BrokenError, FencedError, NotFoundError, RejectedError
from bobr.ids import Offset, SchemaId, StreamName, StreamPartition
from bobr.log import Limit, Log, Reader, range_id
from bobr.outcome import Rejection
from bobr.schema import EventType
from bobr.transmitter.dedup import DedupIndex
from bobr.transmitter.flush import Held
from bobr.transmitter.partition import fitting, period_start, split
from bobr.transmitter.plan import Plan
from bobr.transmitter.rows import Rows, merged, table_rows, with_system_columns
from bobr.transmitter.sinks import (
    Counts,
    RemembersIds,
    RemembersRows,
    Retains,
    Sink,
    TablePartition,
    TableSchema,
    Totals,
)
from bobr.transmitter.wiring import Limits, Wiring

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Events that were read and are no rows."""

    duplicates: int = 0
    undecodable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Rows that left the table: those of before. at: when."""

    rows: int
    before: datetime
    at: datetime


class Session:
    """One opened table and the place in the log. One owner thread."""

    def __init__(self, plan: Plan, wiring: Wiring, limits: Limits) -> None:
        """Use `open`."""
        self.sink: Sink = wiring.sink_for(plan)
        self.plan = plan
        self.committed: Positions = {}
        self.staged: Positions = {}
        self.held = Held()
        self.dropped = Dropped()
        """Of what is held."""
        self._wiring = wiring
        self._limits = limits
        self._types: dict[SchemaId, EventType | None] = {}
        self._known: set[SchemaId] = set()
        self._columns = pa.schema([])
        self._partitions: set[TablePartition] = set()
        self._index: DedupIndex | None = None
        dedup_seconds = plan.delivery.dedup_seconds
        if dedup_seconds and isinstance(self.sink, RemembersIds):
            self._index = DedupIndex(dedup_seconds, limits.dedup_keys)
        self._seen: dict[StreamPartition, tuple[float, datetime]] = {}
        self._reader: Reader | None = None

    @classmethod
    def open(cls, plan: Plan, wiring: Wiring, limits: Limits) -> "Session":
        """Open the table with the credentials of now, and read on from the positions in it."""
        if plan.refused:
            raise BrokenError(plan.refused)
        session = cls(plan, wiring, limits)
        with ExitStack() as undo:
            undo.callback(session.close)
            session._begin()
            undo.pop_all()
        return session

    def _begin(self) -> None:
        self._columns = self._with(self.plan.stream.schema_ids)
        self._known.update(self.plan.stream.schema_ids)
        self.committed = self.staged = self._open_table()
        self._check_streams()
        self._reader = self._wiring.log.reader()
        starts = _starts(self._wiring.log, self.plan.stream.name, self.committed)
        for source, start in starts.items():
            self._check_log(self._reader, source, start)
        self._reader.assign(starts)

    def _check_streams(self) -> None:
        """BrokenError: the table is another stream's: its positions say nothing of this one's events."""
        others = {source.stream for source in self.committed}
        if others and self.plan.stream.name not in others:
            names = ", ".join(map(repr, sorted(others)))
            raise BrokenError(
                f"table {self.plan.delivery.table!r} has the events of stream {names}: "
                f"deliver those of {self.plan.stream.name!r} to another table, or drop this one"
            )

    def _check_log(self, reader: Reader, source: StreamPartition, start: Offset) -> None:
        """BrokenError: the row before the position is no event of this log, so what follows is not what was to come.

        An older copy of a log has its end before the position, which the reader tells, but only until it has grown.
        What retention has removed can not be compared.
        """
        if not start or not isinstance(self.sink, RemembersRows):
            return
        try:
            last = self.sink.last_row(source)
        except (
            BrokenError
        ) as error:  # a file is damaged or gone, which is no reason to deliver nothing more
            log.warning("the log is not compared with the table", reason=str(error))
            return
        if last is None:
            return
        reader.assign({source: last[0]})
        found = [_first(batch) for batch in reader.read(Limit(events=1, nbytes=1), 0.0)]
        if found and found[0][0] == last[0] and found != [last]:
            raise BrokenError(
                f"event {last[0]} of stream {source.stream!r} came at {found[0][1]}, and in the table at {last[1]}: "
                "this is not the log that the table's rows came from, or an older copy of it that went on"
            )

    @property
    def ids(self) -> int:
        """Ids in the dedup index."""
        return 0 if self._index is None else len(self._index)

    @property
    def ids_forgotten(self) -> int:
        """Ids that the dedup index had no room for."""
        return 0 if self._index is None else self._index.evicted

    @property
    def lost(self) -> int:
        """Events that the log had removed before they were read."""
        return 0 if self._reader is None else sum(self._reader.lost.values())

    @property
    def ranges(self) -> list[str]:
        """What is staged, by partition: each range holds the `batch_id`s of what the broker stored there."""
        starts = {source: self.committed.get(source, Offset(0)) for source in self.staged}
        return [
            range_id(source, starts[source], end)
            for source, end in self.staged.items()
            if end > starts[source]
        ]

    @property
    def totals(self) -> Totals | None:
        """What the table holds; None: not known."""
        return self.sink.totals() if isinstance(self.sink, Counts) else None

    def adopt(self, plan: Plan) -> None:
        """Go on as this plan says, which this session's `goes_on_as`: the table holds new schemas too.

        Nothing may be staged.
        """
        assert self.plan.goes_on_as(plan), "to be opened anew"
        self.plan = plan
        self._extend(plan.stream.schema_ids)

    def read(self, timeout_seconds: float) -> list[StoredBatch]:
        """The next events that the table does not have."""
        assert self._reader is not None, "not opened"
        batches = self._reader.read(self._limits.read, timeout_seconds)
        return [new for batch in batches if len(new := self._without_replays(batch))]

    def wake(self) -> None:
        """Let `read` return at once. From any thread."""
        if self._reader is not None:
            self._reader.wake()

    def is_ready_for(self, batches: Sequence[StoredBatch]) -> bool:
        """Whether `stage` can take these beside what is held; if not, commit first."""
        columns = self._with({batch.schema_id for batch in batches})
        return columns == self._columns and (
            self._index is None or self._index.covers(_oldest(batches))
        )

    def stage(self, batches: Sequence[StoredBatch]) -> Sequence[StoredBatch]:
        """Turn events into rows, drop duplicates, and give the rest to the sink.

        The events that were not taken, since one commit would have too many table partitions with
        them: stage them after it.
        """
        self._extend({batch.schema_id for batch in batches})
        self._load_ids(_oldest(batches))
        rows = table_rows(batches, self._type, self._columns)
        taken, left = _divided(batches, self._room(rows))
        if left:
            rows = table_rows(taken, self._type, self._columns)
        if taken:
            self._stage(rows, taken)
        return left

    def _room(self, rows: Rows) -> int | None:
        """The place of the first event that would open too many table partitions; None: none would."""
        by, most = self.plan.delivery.partition_by, self._limits.flush.partitions
        fits = fitting(rows.rows, by, self._partitions, most)
        return None if fits == rows.rows.num_rows else int(rows.places[fits])

    def _stage(self, rows: Rows, batches: Sequence[StoredBatch]) -> None:
        self._tell_undecodable(rows.undecodable, batches)
        fresh = self._fresh(rows.rows)
        for partition, some in split(fresh, self.plan.delivery.partition_by):
            self.sink.write(some, partition)
            self._partitions.add(partition)
        self._hold(batches)
        self.dropped = Dropped(
            duplicates=self.dropped.duplicates + rows.rows.num_rows - fresh.num_rows,
            undecodable=self.dropped.undecodable + len(rows.undecodable),
        )

    def remember_commit(self) -> None:
        """The sink has committed what was staged."""
        self.committed, self.held, self.dropped = self.staged, Held(), Dropped()
        self._partitions.clear()
        if self._index is not None:
            self._index.commit()
            self._forget_ids(self._index)

    def drop_old(self) -> Retired | None:
        """Drop the table's partitions that the delivery keeps no longer. None: there were none. FencedError."""
        keep, sink = self.plan.delivery.keep_seconds, self.sink
        if keep is None or not isinstance(sink, Retains):
            return None
        now = self._wiring.clock.now()
        end = period_start(now - timedelta(seconds=keep), self.plan.delivery.partition_by)
        rows = 0 if end is None else sink.drop_before(end)
        return Retired(rows=rows, before=end, at=now) if rows and end else None

    def close(self) -> None:
        """Drop what is staged and let go of the table. Never fails: nothing depends on it."""
        with suppress(BobrError):
            self.sink.close()
        if self._reader is not None:
            self._reader.close()

    def _type(self, schema_id: SchemaId) -> EventType | None:
        if schema_id not in self._types:
            self._types[schema_id] = self._typed(schema_id)
        return self._types[schema_id]

    def _typed(self, schema_id: SchemaId) -> EventType | None:
        """None: the schema is of a stream of this name that was removed, and whose events are still in the log.

        Where this one's message is another, they are in no table of this one.
        """
        try:
            return self._wiring.types(self.plan.stream.message, schema_id)
        except NotFoundError:
            raise
        except RejectedError:
            if schema_id in self.plan.stream.schema_ids:
                raise
            return None

    def _with(self, schema_ids: Collection[SchemaId]) -> pa.Schema:
        """The columns of the table, and those of these schemas."""
        types = [self._type(schema_id) for schema_id in schema_ids if schema_id not in self._known]
        new = [each for each in types if each is not None]
        return merged(self._columns, new) if new else self._columns

    def _extend(self, schema_ids: Collection[SchemaId]) -> None:
        """Evolve the table where these schemas have columns that it has not."""
        columns = self._with(schema_ids)
        self._known.update(schema_ids)
        if columns == self._columns:
            return
        assert not self.held.events, "a table evolves between commits"
        self._columns = columns
        if (positions := self._open_table()) != self.committed:
            raise FencedError(f"another writer moved the table to {dict(positions)}")
        log.info("table evolved", delivery=self.plan.delivery.name, columns=columns.names)

    def _open_table(self) -> Positions:
        wanted = TableSchema(
            columns=with_system_columns(self._columns), partition_by=self.plan.delivery.partition_by
        )
        return self.sink.open(wanted)

    def _without_replays(self, batch: StoredBatch) -> StoredBatch:
        position = self.staged.get(batch.source, Offset(0))
        if not len(batch) or batch.offsets[0].as_py() >= position:
            return batch
        return batch.slice(int(np.searchsorted(batch.offsets.to_numpy(), position)))

    def _load_ids(self, oldest: datetime) -> None:
        if self._index is None or self._index.covers(oldest):
            return
        assert not self.held.events, "ids are loaded between commits"
        assert isinstance(self.sink, RemembersIds), "no index without"
        window = timedelta(seconds=self.plan.delivery.dedup_seconds)
        since = oldest - window - self._limits.dedup_slack
        self._index.load(self.sink.ids_since(self.plan.stream.name, since), since)
        log.info(
            "ids loaded", delivery=self.plan.delivery.name, ids=len(self._index), since=str(since)
        )

    def _fresh(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        if self._index is None:
            return rows
        fresh = self._index.fresh(rows.column("_event_id"), rows.column("_ingest_time"))
        return rows if fresh.all() else rows.filter(pa.array(fresh))

    def _forget_ids(self, index: DedupIndex) -> None:
        """Ids that no event can meet any more, going by the partitions that are being read."""
        now = self._wiring.clock.monotonic()
        recent = [at for seen, at in self._seen.values() if now - seen <= self._limits.idle_seconds]
        if recent:
            index.forget_before(min(recent) - self._limits.dedup_slack)

    def _hold(self, batches: Sequence[StoredBatch]) -> None:
        now = self._wiring.clock.monotonic()
        self.staged = {**self.staged, **{batch.source: batch.next_offset for batch in batches}}
        for batch in batches:
            self._seen[batch.source] = (now, batch.ingest_times[-1].as_py())
        self.held = Held(
            events=self.held.events + sum(map(len, batches)),
            nbytes=self.held.nbytes + sum(batch.nbytes for batch in batches),
            partitions=len(self._partitions),
            since=self.held.since if self.held.events else now,
        )

    def _tell_undecodable(
        self, rejections: Sequence[Rejection], batches: Sequence[StoredBatch]
    ) -> None:
        if rejections:
            log.error(
                "events that their schema does not fit are skipped",
                delivery=self.plan.delivery.name,
                events=len(rejections),
                first=str(rejections[0]),
                read={f"{batch.source}": batch.offsets[0].as_py() for batch in batches},
            )


def _starts(of: Log, stream: StreamName, committed: Positions) -> Positions:
    """Every partition of the stream, from where the table is."""
    sources = [StreamPartition(stream, partition) for partition in of.admin().describe(stream)]
    return {source: committed.get(source, Offset(0)) for source in sources}


def _divided(
    batches: Sequence[StoredBatch], place: int | None
) -> tuple[list[StoredBatch], list[StoredBatch]]:
    """The events before that place and those from it on; None: all are before."""
    if place is None:
        return list(batches), []
    before, after = [], []
    for batch in batches:
        count = min(place, len(batch))
        before += [batch.slice(0, count)] if count else []
        after += [batch.slice(count)] if count < len(batch) else []
        place -= count
    return before, after


def _first(batch: StoredBatch) -> tuple[Offset, datetime]:
    """Of its events: offset and ingest time."""
    return Offset(batch.offsets[0].as_py()), batch.ingest_times[0].as_py()


def _oldest(batches: Sequence[StoredBatch]) -> datetime:
    oldest: datetime = min(pc.min(batch.ingest_times).as_py() for batch in batches)
    return oldest
