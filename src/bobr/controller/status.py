"""How things stand, put together from the catalog, the log and what the parts say. Pure but for the log's counters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from bobr.catalog import Catalog, Delivery, Stream
from bobr.controller.parts import Voice, Voices
from bobr.errors import BobrError
from bobr.ids import DeliveryName, Partition, Revision
from bobr.log import LogAdmin, PartitionState
from bobr.runtime.folder import PartProcess
from bobr.runtime.report import DeliveryReport, Report, StreamReport
from bobr.runtime.words import NOTHING_YET, PartName

MB = 1_000_000
CONTROLLER = "controller"
NO_REPORT = Report()
NOTHING_DONE = StreamReport()
SILENT = DeliveryReport(state="unknown", reason="the transmitter does not answer")
NOT_BEGUN = DeliveryReport(state="unknown", reason="the transmitter has not begun it yet")

OPEN = (
    "other machines reach it, and it asks nobody for a key: whoever calls may read, change and remove everything; "
    "`bobr key create ops --publish '*' --read '*' --configure '*'` closes it"
)

DeliveryReports = Mapping[DeliveryName, DeliveryReport]
Processes = Mapping[str, PartProcess]
"""By part, what the supervisor says."""


def status(
    catalog: Catalog,
    admin: LogAdmin,
    voices: Voices,
    processes: Processes,
) -> dict[str, object]:
    """The body of `GET /v1/status`."""
    parts = _parts(voices, processes, catalog.revision)
    ends = {stream.name: _describe(admin, stream) for stream in catalog.streams.values()}
    broker = _report(PartName.BROKER, voices, processes)
    reports = delivery_reports(voices, processes)
    untold = untold_by(voices)
    deliveries = [
        _delivery(delivery, ends[delivery.stream], reports.get(delivery.name, untold))
        for delivery in catalog.deliveries.values()
    ]
    return {
        "well": all(part["state"] == "running" and not part["error"] for part in parts)
        and all(delivery["state"] not in ("unknown", "broken") for delivery in deliveries),
        "revision": catalog.revision,
        "parts": parts,
        "streams": [
            _stream(stream, ends[stream.name], broker) for stream in catalog.streams.values()
        ],
        "deliveries": deliveries,
    }


def warnings(catalog: Catalog, *, is_exposed: bool) -> list[str]:
    """What is well and yet not as it should be. is_exposed: whether other machines reach the ports."""
    return [OPEN] if is_exposed and not catalog.principals else []


def delivery_reports(
    voices: Voices, processes: Processes = MappingProxyType({})
) -> DeliveryReports:
    """Per delivery what the transmitter says; the positions are the furthest that any transmitter says.

    A position is in the table, whoever put it there: one that was stopped for a while knows an old one.
    """
    said = [voice.word.report.deliveries for voice in voices.get(PartName.TRANSMITTER, ())]
    return {
        name: report.model_copy(
            update={"positions": _furthest(each[name] for each in said if name in each)}
        )
        for name, report in _report(PartName.TRANSMITTER, voices, processes).deliveries.items()
    }


def told_of(
    catalog: Catalog, voices: Voices, processes: Processes = MappingProxyType({})
) -> DeliveryReports:
    """Of each delivery of the catalog what is told, or that nothing is: who lags behind tells of other tables."""
    reports = delivery_reports(voices, processes)
    return {
        name: reports[name]
        if name in reports and reports[name].is_of(delivery)
        else untold_by(voices)
        for name, delivery in catalog.deliveries.items()
    }


def untold_by(voices: Voices) -> DeliveryReport:
    """Of a delivery that no transmitter tells of."""
    return NOT_BEGUN if voices.get(PartName.TRANSMITTER) else SILENT


def _furthest(reports: Iterable[DeliveryReport]) -> dict[str, int]:
    furthest: dict[str, int] = {}
    for report in reports:
        for partition, position in report.positions.items():
            furthest[partition] = max(position, furthest.get(partition, 0))
    return furthest


def _report(part: PartName, voices: Voices, processes: Processes) -> Report:
    """The supervised instance's; while it says nothing, that of the newest."""
    some = voices.get(part, ())
    voice = _supervised(some, processes.get(part)) or (some[-1] if some else None)
    return voice.word.report if voice else NO_REPORT


def _parts(voices: Voices, processes: Processes, newest: Revision) -> list[dict[str, object]]:
    return [
        row
        for name in dict.fromkeys([*processes, *voices])
        for row in (
            _controller(processes[name], newest)
            if name == CONTROLLER
            else _part(name, voices.get(PartName(name), ()), processes.get(name))
        )
    ]


def _controller(process: PartProcess, newest: Revision) -> Iterator[dict[str, object]]:
    """It says nothing to itself: it runs, since it answers, and the newest revision is its own."""
    yield {**_process(CONTROLLER, process), "revision": newest, "error": None}


def _supervised(voices: Sequence[Voice], process: PartProcess | None) -> Voice | None:
    return next((voice for voice in voices if process and voice.word.pid == process.pid), None)


def _part(
    name: str, voices: Sequence[Voice], process: PartProcess | None
) -> Iterator[dict[str, object]]:
    """A row for the supervised instance, and one for each that somebody started beside it.

    Of configurators there may be several, as of no other part.
    """
    supervised = _supervised(voices, process)
    if process is not None:
        silent = supervised is None and process.state == "running"
        state = {"state": "silent"} if silent else {}
        yield {**_process(name, process), **state, **_said(supervised)}
    for voice in voices:
        if _is_stranger(voice, supervised, process):
            how = "running" if name == PartName.CONFIGURATOR else "stranger"
            stranger = PartProcess(state=how, pid=voice.word.pid, restarts=0, last_exit=None)
            yield {**_process(name, stranger), **_said(voice)}


def _process(name: str, process: PartProcess) -> dict[str, object]:
    return {
        "part": name,
        "state": process.state,
        "pid": process.pid,
        "restarts": process.restarts,
        "last_exit": process.last_exit,
    }


def _is_stranger(voice: Voice, supervised: Voice | None, process: PartProcess | None) -> bool:
    """Whether it lives beside the supervised one: a predecessor never speaks after its successor began to."""
    if process is None:
        return True
    return (
        supervised is not None and voice is not supervised and voice.last_at > supervised.first_at
    )


def _said(voice: Voice | None) -> dict[str, object]:
    """revision: None as long as it runs none."""
    if voice is None:
        return {"revision": None, "error": None}
    revision = voice.word.revision
    return {
        "revision": None if revision == NOTHING_YET else revision,
        "error": voice.word.error or voice.word.report.error,
    }


def _describe(admin: LogAdmin, stream: Stream) -> Mapping[Partition, PartitionState]:
    try:
        return admin.describe(stream.name)
    except BobrError:
        return {}


def _stream(
    stream: Stream, partitions: Mapping[Partition, PartitionState], broker: Report
) -> dict[str, object]:
    times = [state.last_ingest_time for state in partitions.values() if state.last_ingest_time]
    counts = broker.streams.get(stream.name, NOTHING_DONE)
    is_told = broker is not NO_REPORT  # else a counter would seem to have begun anew
    return {
        "stream": stream.name,
        "message": stream.message,
        "events": sum(state.end - state.first for state in partitions.values()),
        "MB": round(sum(state.nbytes for state in partitions.values()) / MB, 3),
        "end": {str(number): state.end for number, state in partitions.items()},
        "last_event": max(times).isoformat(timespec="milliseconds") if times else None,
        "schemas": list(stream.schema_ids),
        "accepted": counts.accepted if is_told else None,
        "rejected": counts.rejected if is_told else None,
    }


def _delivery(
    delivery: Delivery,
    partitions: Mapping[Partition, PartitionState],
    report: DeliveryReport,
) -> dict[str, object]:
    return {
        "delivery": delivery.name,
        "stream": delivery.stream,
        "to": delivery.to,
        "table": delivery.table,
        **report.model_dump(exclude={"stream", "to", "table"}),
        "lag": lag(partitions, report)
        if partitions and not is_of_another_log(partitions, report)
        else None,
    }


def lag(partitions: Mapping[Partition, PartitionState], report: DeliveryReport) -> int | None:
    """Events that are not in the table yet; None: not known, since nobody has told how far the table is."""
    events = sum(lag_of(partitions, report.positions).values())
    is_told = report.positions or report.state == "running"  # it runs only after it has looked
    return events if is_told or not events else None


def is_of_another_log(
    partitions: Mapping[Partition, PartitionState], report: DeliveryReport
) -> bool:
    """Whether a table has positions behind the end of a log that was described after they were told.

    They are positions in another log, of which this one is an older copy, say; what this one holds is in no table.
    """
    return any(
        report.positions.get(str(number), 0) > state.end for number, state in partitions.items()
    )


def lag_of(
    partitions: Mapping[Partition, PartitionState], positions: Mapping[str, int]
) -> dict[Partition, int]:
    """Events of each partition that are not in the table yet. positions: partition (as text) → next offset."""
    return {
        number: max(0, state.end - max(state.first, positions.get(str(number), 0)))
        for number, state in partitions.items()
    }
