"""How things stand, put together from the catalog, the log and what the parts say. Pure but for the log's counters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bobr.catalog import Catalog, Delivery, Stream
from bobr.controller.parts import Voice, Voices
from bobr.errors import BobrError
from bobr.ids import Partition
from bobr.log import LogAdmin, PartitionState
from bobr.runtime.folder import PartProcess

MB = 1_000_000
NO_REPORT: Mapping[str, Any] = {}


def status(
    catalog: Catalog,
    admin: LogAdmin,
    voices: Voices,
    processes: Mapping[str, PartProcess],
) -> dict[str, object]:
    """The body of `GET /v1/status`."""
    parts = [
        row
        for name in dict.fromkeys([*processes, *voices])
        for row in _part(name, voices.get(name, ()), processes.get(name))
    ]
    ends = {stream.name: _describe(admin, stream) for stream in catalog.streams.values()}
    broker = _report(voices.get("broker", ()), processes.get("broker"))
    reports = delivery_reports(voices, processes)
    deliveries = [
        _delivery(delivery, ends[delivery.stream], reports)
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


def delivery_reports(
    voices: Voices, processes: Mapping[str, PartProcess] = MappingProxyType({})
) -> Mapping[str, Mapping[str, Any]]:
    """Per delivery what the transmitter says; the positions are the furthest that any transmitter says.

    A position is in the table, whoever put it there: one that was stopped for a while knows an old one.
    """
    transmitters = voices.get("transmitter", ())
    reports = _deliveries(_report(transmitters, processes.get("transmitter")))
    said = [_deliveries(voice.word.report) for voice in transmitters]
    return {
        name: {**report, "positions": _furthest(each.get(name, NO_REPORT) for each in said)}
        for name, report in reports.items()
    }


def _deliveries(report: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    deliveries: Mapping[str, Mapping[str, Any]] = report.get("deliveries", {})
    return deliveries


def _furthest(reports: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    furthest: dict[str, int] = {}
    for report in reports:
        for partition, position in report.get("positions", {}).items():
            furthest[partition] = max(position, furthest.get(partition, 0))
    return furthest


def _report(voices: Sequence[Voice], process: PartProcess | None) -> Mapping[str, Any]:
    """The supervised instance's; while it says nothing, that of the newest."""
    voice = _supervised(voices, process) or (voices[-1] if voices else None)
    return voice.word.report if voice else NO_REPORT


def _supervised(voices: Sequence[Voice], process: PartProcess | None) -> Voice | None:
    return next((voice for voice in voices if process and voice.word.pid == process.pid), None)


def _part(
    name: str, voices: Sequence[Voice], process: PartProcess | None
) -> Iterator[dict[str, object]]:
    """A row for the supervised instance, and one for each that somebody started beside it."""
    supervised = _supervised(voices, process)
    if process is not None:
        silent = supervised is None and name != "controller" and process.state == "running"
        yield {
            "part": name,
            "state": "silent" if silent else process.state,
            "pid": process.pid,
            "restarts": process.restarts,
            "last_exit": process.last_exit,
            **_said(supervised),
        }
    for voice in voices:
        if _is_stranger(voice, supervised, process):
            yield {
                "part": name,
                "state": "stranger",
                "pid": voice.word.pid,
                "restarts": 0,
                "last_exit": None,
                **_said(voice),
            }


def _is_stranger(voice: Voice, supervised: Voice | None, process: PartProcess | None) -> bool:
    """Whether it lives beside the supervised one: a predecessor never speaks after its successor began to."""
    if process is None:
        return True
    return (
        supervised is not None and voice is not supervised and voice.last_at > supervised.first_at
    )


def _said(voice: Voice | None) -> dict[str, object]:
    return {
        "revision": voice.word.revision if voice else None,
        "error": voice.word.error if voice else None,
    }


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
    reports: Mapping[str, Mapping[str, Any]],
) -> dict[str, object]:
    report = reports.get(delivery.name)
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
