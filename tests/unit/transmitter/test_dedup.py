"""The dedup index against the plainest possible oracle."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.transmitter.dedup import DedupIndex
from bobr.transmitter.idhash import IdHash

START = 1_700_000_000
IDS = pa.schema([("_event_id", pa.string()), ("_ingest_time", pa.timestamp("us", "UTC"))])

Event = tuple[str | None, int]


def fresh(index: DedupIndex, events: Sequence[Event]) -> list[bool]:
    ids = pa.array([event_id for event_id, _ in events], pa.string())
    kept: list[bool] = index.fresh(ids, times([second for _, second in events])).tolist()
    return kept


def times(seconds: list[int]) -> pa.TimestampArray:
    micros = pa.array([(START + second) * 1_000_000 for second in seconds], pa.int64())
    return micros.cast(pa.timestamp("us", "UTC"))


def at(second: int) -> datetime:
    return datetime.fromtimestamp(START + second, UTC)


def loaded(rows: list[Event], since: int, window: int, keys_max: int = 1000) -> DedupIndex:
    """An index built from a table of these rows."""
    kept = [(event_id, s) for event_id, s in rows if event_id is not None and s >= since]
    columns = [pa.array([i for i, _ in kept], pa.string()), times([s for _, s in kept])]
    batch = pa.RecordBatch.from_arrays(columns, schema=IDS)
    index = DedupIndex(window, keys_max)
    index.load(pa.RecordBatchReader.from_batches(IDS, [batch]), at(since))
    return index


def oracle(events: list[Event], window: int) -> list[bool]:
    rows: list[Event] = []
    kept = []
    for event_id, second in events:
        twin = any(i == event_id and abs(s - second) <= window for i, s in rows)
        kept.append(event_id is None or not twin)
        if kept[-1]:
            rows.append((event_id, second))
    return kept


ids = st.one_of(st.none(), st.sampled_from(["", "a", "b", "c" * 36, "d" * 36, "é" * 700]))
histories = st.lists(st.tuples(ids, st.integers(0, 40)), max_size=60)


@given(
    events=histories, window=st.integers(1, 30), cuts=st.sets(st.integers(0, 60)), data=st.data()
)
def test_any_batching_and_any_restarts_keep_the_rows_of_the_oracle(
    events: list[Event], window: int, cuts: set[int], data: st.DataObject
) -> None:
    index, committed = loaded([], -window, window), 0
    kept: list[bool] = []
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        kept[start:] = fresh(index, events[start:end])
        match data.draw(st.sampled_from(["go on", "commit", "restart"])):
            case "commit":
                index.commit()
                committed = end
            case "restart":  # what was not committed is read again, by an index made from the table
                rows = [
                    event for event, stays in zip(events[:committed], kept, strict=False) if stays
                ]
                index = loaded(rows, -window, window)
                kept[committed:] = fresh(index, events[committed:end])
    assert kept == oracle(events, window)


def test_rolled_back_ids_are_fresh_again() -> None:
    index = loaded([("a", 0)], -10, 10)
    assert fresh(index, [("a", 1), ("b", 1)]) == [False, True]
    index.rollback()
    assert fresh(index, [("a", 1), ("b", 1)]) == [False, True]
    index.commit()
    index.rollback()
    assert fresh(index, [("b", 2)]) == [False]


def test_it_says_what_it_can_not_judge() -> None:
    index = DedupIndex(10)
    assert not index.covers(at(0))
    index = loaded([], 0, 10)
    assert index.covers(at(10))
    assert not index.covers(at(9))
    index.forget_before(at(30))
    assert index.covers(at(30))
    assert not index.covers(at(29))


def test_forgets_ids_that_only_older_events_could_meet() -> None:
    index = loaded([("a", 0)], -10, 10)
    fresh(index, [("b", 30)])
    index.commit()
    index.forget_before(at(30))
    fresh(index, [("c", 30)])
    index.commit()
    assert len(index) == 2  # b and c


def test_a_full_index_forgets_the_oldest_and_counts_them() -> None:
    index = loaded([], -10, 10, keys_max=120)
    for second in range(10):
        fresh(index, [(f"{second}-{n}", second) for n in range(30)])
        index.commit()
    assert len(index) <= 120
    assert len(index) + index.evicted == 300
    assert fresh(index, [("9-0", 9), ("0-0", 9)]) == [False, True]


def test_an_id_that_came_often_costs_no_more() -> None:
    """All in one batch, each beyond the window of the one before: every second row stays."""
    events = [("x", second) for second in range(2000)]
    assert fresh(loaded([], -1, 1, 10_000), events) == [second % 2 == 0 for second in range(2000)]


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 35, 36, 37, 1023, 1024, 1025, 100_000])
def test_hash_depends_on_every_byte_and_on_the_length_alone(length: int) -> None:
    texts = [b"\0" * length, b"\0" * (length + 1)]
    texts += [bytes(length - 1) + b"\1", b"\1" + bytes(length - 1)] if length > 1 else []
    together = hashes(b"key", texts)
    assert len(set(together)) == len(texts)
    assert together == [hashes(b"key", [text])[0] for text in texts]
    assert not set(together) & set(hashes(b"other", texts))


def hashes(secret: bytes, texts: list[bytes]) -> list[tuple[int, int]]:
    """Of a slice, as ids come out of a larger batch."""
    padded = pa.array([b"before", *texts, b"after"], pa.binary()).slice(1, len(texts))
    hi, lo = IdHash(secret)(padded)
    return list(zip(hi.tolist(), lo.tolist(), strict=True))


def test_hash_bits_are_balanced() -> None:
    """A missing key word or shift would leave bits constant."""
    hi, lo = IdHash(b"secret")(pa.array([f"{n:036d}" for n in range(4000)]))
    for bits, first in ((hi, 0), (lo, 32)):
        ones = [int(((bits >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(first, 64)]
        assert all(1700 < count < 2300 for count in ones)
    assert not (lo & np.uint64(0xFFFFFFFF)).any()


def test_ingest_times_beyond_the_range_are_held_at_its_ends() -> None:
    index = loaded([], -10, 10)
    ends = [timedelta(days=-30_000), timedelta(days=60_000)]
    odd = pa.array([datetime(2000, 1, 1, tzinfo=UTC) + end for end in ends], IDS[1].type)
    assert index.fresh(pa.array(["a", "a"]), odd).tolist() == [True, True]
    assert index.fresh(pa.array(["a", "a"]), odd).tolist() == [False, False]
