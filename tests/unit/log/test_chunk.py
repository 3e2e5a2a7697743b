"""Chunks give back what was put in, within their limits, and notice damage."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bobr.batch import INGEST_TIMES
from bobr.ids import Partition, StreamName, StreamPartition
from bobr.log.sqlite import chunk as module
from bobr.log.sqlite.chunk import Chunk, bodies, fitting, joined, placed

SOURCE = StreamPartition(StreamName("orders"), Partition(0))
untimed = settings(deadline=None)
EVENTS = st.lists(st.binary(max_size=300) | st.just(b"x" * 2000), min_size=1, max_size=60)


def rows(payloads: pa.BinaryArray, first: int = 0, ingest_time: int = 5) -> list[Chunk]:
    put: list[Chunk] = []
    for body in bodies(payloads):
        at = put[-1].end if put else first
        put.append(placed(body, stream_id=1, first=at, schema_id=7, ingest_time=ingest_time))
    return put


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(module, "CHUNK_EVENTS", 10)


@given(EVENTS, st.integers(0, 1 << 50), st.data())
@untimed
def test_what_goes_in_comes_out(events: list[bytes], first: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(events) - 1))
    stop = data.draw(st.integers(start + 1, len(events)))
    array = pa.array(events, pa.binary()).slice(start, stop - start)
    batch = joined(rows(array, first), SOURCE)
    assert batch.payloads.to_pylist() == events[start:stop]
    assert batch.offsets.to_pylist() == list(range(first, first + stop - start))
    assert batch.ingest_times == pa.array([5] * (stop - start), pa.int64()).cast(INGEST_TIMES)
    assert (batch.schema_id, batch.source) == (7, SOURCE)
    batch.payloads.validate(full=True)


@given(st.lists(EVENTS, min_size=1, max_size=8))
@untimed
def test_rows_join_across_gaps_and_times(groups: list[list[bytes]]) -> None:
    put: list[Chunk] = []
    for index, events in enumerate(groups):
        put += rows(pa.array(events, pa.binary()), first=1000 * index, ingest_time=index)
    batch = joined(put, SOURCE)
    assert batch.payloads.to_pylist() == [event for events in groups for event in events]
    assert batch.offsets.to_pylist() == [
        1000 * index + n for index, events in enumerate(groups) for n in range(len(events))
    ]
    assert batch.ingest_times.cast(pa.int64()).to_pylist() == [
        index for index, events in enumerate(groups) for _ in events
    ]


@pytest.mark.usefixtures("small_chunks")
def test_chunks_stay_within_their_limits() -> None:
    events = [b"x" * (size * 37 % 400) for size in range(200)] + [b""] * 30 + [b"y" * 5000, b"z"]
    put = rows(pa.array(events, pa.binary()))
    assert all(row.size <= 1000 or row.events == 1 for row in put)
    assert max(row.events for row in put) == 10
    assert [row.first for row in put[1:]] == [row.end for row in put[:-1]]
    assert joined(put, SOURCE).payloads.to_pylist() == events


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_is_cut_no_earlier_than_needed() -> None:
    put = rows(pa.array([b"x" * 96] * 25, pa.binary()))
    assert [row.events for row in put] == [10, 10, 5]
    assert [row.size for row in put] == [1000, 1000, 500]


def test_bodies_are_compressed_when_that_helps() -> None:
    plain = rows(pa.array([bytes(range(200))] * 100, pa.binary()))[0]
    assert len(plain.body) < plain.size / 5
    tiny = rows(pa.array([b"aaaaaaaa"], pa.binary()))[0]
    assert len(tiny.body) == tiny.size


@given(EVENTS, st.data())
@untimed
def test_a_flipped_bit_anywhere_is_noticed(events: list[bytes], data: st.DataObject) -> None:
    (row, *_) = rows(pa.array(events, pa.binary()))
    assert row.checksum() == row.crc
    column = data.draw(st.sampled_from([name for name in Chunk._fields if name != "crc"]))
    value = getattr(row, column)
    if column == "body":
        body = bytearray(value)
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        damaged = row._replace(body=bytes(body))
    else:
        damaged = row._replace(**{column: value ^ (1 << data.draw(st.integers(0, 40)))})
    assert damaged.checksum() != row.crc


@given(EVENTS, st.integers(0, 100), st.integers(-10, 20_000))
@untimed
def test_fitting_is_the_most_that_both_limits_allow(
    events: list[bytes], limit: int, nbytes: int
) -> None:
    array = pa.array(events, pa.binary())
    fits = fitting(array, limit, nbytes)
    assert fits <= limit
    assert fits == 0 or array.slice(0, fits).nbytes <= nbytes
    if fits < min(limit, len(events)):
        assert array.slice(0, fits + 1).nbytes > nbytes
