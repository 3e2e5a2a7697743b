"""How things stand, put together from the catalog, the log and what the parts say. Pure but for the log's counters."""

from collections.abc import Mapping
from typing import Any

from bobr.catalog import Catalog, Delivery, Stream
from bobr.errors import BobrError
from bobr.ids import Partition
from bobr.log import LogAdmin, PartitionState
from bobr.runtime.control import Word
from bobr.runtime.folder import PartProcess

MB = 1_000_000
NO_REPORT: Mapping[str, Any] = {}


def status(
    catalog: Catalog,
    admin: LogAdmin,
    words: Mapping[str, Word],
    processes: Mapping[str, PartProcess],
) -> dict[str, object]:
    """The body of `GET /v1/status`."""
    parts = [_part(name, words.get(name), processes.get(name)) for name in _names(words, processes)]
    ends = {stream.name: _describe(admin, stream) for stream in catalog.streams.values()}
    broker = _report(words, "broker")
    transmitter = _report(words, "transmitter")
    deliveries = [
        _delivery(delivery, ends[delivery.stream], transmitter)
        for delivery in catalog.deliveries.values()
    ]
    return {
        "well": all(part["state"] == "running" for part in parts)
        and all(delivery["state"] not in ("unknown", "broken") for delivery in deliveries),
        "revision": catalog.revision,
        "parts": parts,
        "streams": [
            _stream(stream, ends[stream.name], broker) for stream in catalog.streams.values()
        ],
        "deliveries": deliveries,
    }


def _names(words: Mapping[str, Word], processes: Mapping[str, PartProcess]) -> list[str]:
    return list(dict.fromkeys([*processes, *words]))


def _report(words: Mapping[str, Word], part: str) -> Mapping[str, Any]:
    return words[part].report if part in words else NO_REPORT


def _part(name: str, word: Word | None, process: PartProcess | None) -> dict[str, object]:
    silent = word is None and name != "controller"
    return {
        "part": name,
        "state": "silent" if silent and _runs(process) else _state(process),
        "pid": word.pid if word else process and process.pid,
        "restarts": process.restarts if process else 0,
        "last_exit": process.last_exit if process else None,
        "revision": word.revision if word else None,
        "error": word.error if word else None,
    }


def _runs(process: PartProcess | None) -> bool:
    return process is None or process.state == "running"


def _state(process: PartProcess | None) -> str:
    return process.state if process else "running"


def _describe(admin: LogAdmin, stream: Stream) -> Mapping[Partition, PartitionState]:
    try:
        return admin.describe(stream.name)
    except BobrError:
        return {}


def _stream(
    stream: Stream, partitions: Mapping[Partition, PartitionState], broker: Mapping[str, Any]
) -> dict[str, object]:
    times = [state.last_ingest_time for state in partitions.values() if state.last_ingest_time]
    counts = broker.get("streams", {}).get(stream.name, {})
    return {
        "stream": stream.name,
        "message": stream.message,
        "events": sum(state.end - state.first for state in partitions.values()),
        "MB": round(sum(state.nbytes for state in partitions.values()) / MB, 3),
        "end": {str(number): state.end for number, state in partitions.items()},
        "last_event": max(times).isoformat(timespec="milliseconds") if times else None,
        "schemas": list(stream.schema_ids),
        "accepted": counts.get("accepted", 0),
        "rejected": counts.get("rejected", 0),
    }


def _delivery(
    delivery: Delivery,
    partitions: Mapping[Partition, PartitionState],
    transmitter: Mapping[str, Any],
) -> dict[str, object]:
    report = transmitter.get("deliveries", {}).get(delivery.name)
    if report is None:
        report = {"state": "unknown", "reason": "the transmitter has not said anything of it"}
    return {
        "delivery": delivery.name,
        "stream": delivery.stream,
        "table": delivery.table,
        **report,
        "lag": sum(lag_of(partitions, report.get("positions", {})).values()),
    }


def lag_of(
    partitions: Mapping[Partition, PartitionState], positions: Mapping[str, int]
) -> dict[Partition, int]:
    """Events of each partition that are not in the table yet. positions: partition (as text) → next offset."""
    return {
        number: max(0, state.end - max(state.first, positions.get(str(number), 0)))
        for number, state in partitions.items()
    }
