"""Every metric of every part, in one list, and how a part's values are written for Prometheus.

`METRICS` is all there is: `exposition` writes just these, and `docs/reference/metrics.md` is made of it. Nothing is
registered or counted here. A part keeps numbers as it works, and makes samples of them when it is asked. A label has
values from the catalog or from an enum alone: what strangers send never is one.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

EVERY = "every part"


class Kind(StrEnum):
    """As Prometheus has them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


COUNTER, GAUGE, HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


class Metric(NamedTuple):
    """One of the list."""

    name: str
    kind: Kind
    help: str
    labels: Sequence[str] = ()


METRICS: Mapping[str, Sequence[Metric]] = {
    "broker": (
        Metric(
            "bobr_broker_events_accepted_total",
            COUNTER,
            "Events that are durable in the log.",
            ("stream",),
        ),
        Metric(
            "bobr_broker_accepted_bytes_total", COUNTER, "Bytes of their payloads.", ("stream",)
        ),
        Metric(
            "bobr_broker_events_refused_total",
            COUNTER,
            "Events that were refused one by one; no stream: it or the schema is not known.",
            ("stream", "reason"),
        ),
        Metric(
            "bobr_broker_calls_failed_total",
            COUNTER,
            "Calls, and pieces of long bodies, that were refused or failed as a whole.",
            ("edge", "error"),
        ),
        Metric(
            "bobr_broker_rounds_total",
            COUNTER,
            "Rounds of calls that were checked together.",
            ("edge",),
        ),
        Metric(
            "bobr_broker_publish_seconds",
            HISTOGRAM,
            "From when a call is here to when its answer is known.",
            ("edge",),
        ),
        Metric(
            "bobr_broker_append_seconds",
            HISTOGRAM,
            "From giving a batch to the log to its being durable.",
        ),
        Metric(
            "bobr_broker_pending_calls",
            GAUGE,
            "Calls that were read and not answered, over both edges.",
        ),
        Metric("bobr_broker_pending_bytes", GAUGE, "Their bytes."),
        Metric(
            "bobr_broker_log_failing",
            GAUGE,
            "1: the log did not store the last events that it was given.",
        ),
        Metric("bobr_broker_catalog_revision", GAUGE, "The revision that it runs."),
    ),
    "transmitter": (
        Metric(
            "bobr_transmitter_rows_committed_total",
            COUNTER,
            "Rows committed to the table.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_files_committed_total",
            COUNTER,
            "Files committed to it.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_committed_bytes_total",
            COUNTER,
            "Bytes of these files.",
            ("delivery",),
        ),
        Metric("bobr_transmitter_commits_total", COUNTER, "Commits to it.", ("delivery",)),
        Metric(
            "bobr_transmitter_commit_seconds",
            HISTOGRAM,
            "How long a commit that succeeded took.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_rows_retired_total",
            COUNTER,
            "Rows that left it with partitions that its delivery keeps no longer.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_duplicates_total",
            COUNTER,
            "Events that were dropped since a row with their id is there.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_undecodable_total",
            COUNTER,
            "Events that were skipped since their schema does not fit them.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_lost_events",
            GAUGE,
            "Events that were gone from the log before they were read, since the table was opened.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_fenced_total",
            COUNTER,
            "Times that another writer's commit came first.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_retries_total",
            COUNTER,
            "Times that it stopped at an error, to be tried again.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_held_events",
            GAUGE,
            "Events read and not committed yet.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_dedup_ids",
            GAUGE,
            "Ids in the dedup index, 16 bytes each.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_dedup_ids_forgotten",
            GAUGE,
            "Ids that it had no room for, since the table was opened.",
            ("delivery",),
        ),
        Metric(
            "bobr_transmitter_delivery_state",
            GAUGE,
            "1: the state of the delivery; 0: the others.",
            ("delivery", "state"),
        ),
        Metric(
            "bobr_transmitter_last_commit_timestamp_seconds",
            GAUGE,
            "When the table was last committed; absent: not since the pipeline started.",
            ("delivery",),
        ),
        Metric("bobr_transmitter_catalog_revision", GAUGE, "The revision that it runs."),
    ),
    "controller": (
        Metric(
            "bobr_controller_well",
            GAUGE,
            "1: all is well, as `bobr status` says; 0: something is not.",
        ),
        Metric("bobr_controller_catalog_revision", GAUGE, "The revision in force."),
        Metric(
            "bobr_controller_part_running",
            GAUGE,
            "1: the part runs and speaks; 0: it does not.",
            ("part",),
        ),
        Metric(
            "bobr_controller_part_restarts_total",
            COUNTER,
            "How often the part was started again since `bobr up`.",
            ("part",),
        ),
        Metric("bobr_controller_stream_events", GAUGE, "Events that the log holds.", ("stream",)),
        Metric("bobr_controller_stream_bytes", GAUGE, "Their bytes, uncompressed.", ("stream",)),
        Metric(
            "bobr_controller_stream_appended_events_total",
            COUNTER,
            "Events that were ever stored: `rate()` of it is events/s, whatever part starts again.",
            ("stream",),
        ),
        Metric(
            "bobr_controller_stream_skew_ratio",
            GAUGE,
            "Events in the largest partition over their mean; 1: even.",
            ("stream",),
        ),
        Metric(
            "bobr_controller_stream_last_event_timestamp_seconds",
            GAUGE,
            "When the newest event came; absent: none ever did.",
            ("stream",),
        ),
        Metric(
            "bobr_controller_delivery_lag_events",
            GAUGE,
            "Events in the log that the table lacks; absent: not known.",
            ("stream", "delivery"),
        ),
        Metric(
            "bobr_controller_delivery_lag_seconds",
            GAUGE,
            "Age of the oldest of them, since it came; 0: none; absent: not known.",
            ("stream", "delivery"),
        ),
        Metric(
            "bobr_controller_delivery_ingest_watermark_timestamp_seconds",
            GAUGE,
            "All that came before this time is in the table; absent: not known.",
            ("stream", "delivery"),
        ),
        Metric(
            "bobr_controller_delivery_paused",
            GAUGE,
            "1: it is paused; 0: it is not.",
            ("stream", "delivery"),
        ),
    ),
    "configurator": (
        Metric("bobr_configurator_watching_parts", GAUGE, "Parts that are told the catalog by it."),
        Metric("bobr_configurator_controller_connected", GAUGE, "1: the controller hears it."),
        Metric("bobr_configurator_catalog_revision", GAUGE, "The revision that it hands out."),
    ),
    EVERY: (
        Metric("process_cpu_seconds_total", COUNTER, "Processor time of the process."),
        Metric("process_resident_memory_bytes", GAUGE, "Memory that it has."),
        Metric("process_virtual_memory_bytes", GAUGE, "Addresses that it has."),
        Metric("process_open_fds", GAUGE, "Files and sockets that it has open."),
        Metric("process_max_fds", GAUGE, "How many it may have open."),
        Metric("process_start_time_seconds", GAUGE, "When it was started."),
    ),
}
"""By part, in the order of the page. EVERY: those of the process, by the names that Prometheus gives them."""

CALL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of a histogram, in seconds: for what takes milliseconds."""
COMMIT_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""For commits: a file and a catalog are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a histogram has seen. counts: of values up to each bound and above the one before; the last: above all."""

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


class Histogram:
    """Counts values by size. One thread observes at a time, any may look: 0.3 µs a value."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float] = CALL_BOUNDS) -> None:
        """`bounds`: rising."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def seen(self) -> Distribution:
        """So far."""
        return Distribution(bounds=self._bounds, counts=tuple(self._counts), total=self._total)


class Sample(NamedTuple):
    """One value of a metric. labels: in the order of the metric's own."""

    name: str
    value: float | Distribution
    labels: Sequence[str] = ()


def exposition(part: str, samples: Iterable[Sample], accept: str) -> tuple[bytes, str]:
    """The part's metrics in the format that a scraper accepts, and its content type."""
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    return encode(_Families(part, samples)), content_type


class _Families:
    """A collector of prometheus-client."""

    def __init__(self, part: str, samples: Iterable[Sample]) -> None:
        self._part = part
        self._samples = samples

    def collect(self) -> "Iterator[Family]":
        """Each metric of the part, also those without a value."""
        from prometheus_client import ProcessCollector

        found: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in self._samples:
            found[sample.name].append(sample)
        for metric in METRICS.get(self._part, ()):
            yield _family(metric, found.pop(metric.name, []))
        assert not found, f"not in the list of metrics: {sorted(found)}"
        helps = {metric.name.removesuffix("_total"): metric.help for metric in METRICS[EVERY]}
        for family in ProcessCollector(registry=None).collect():
            family.documentation = helps[family.name]
            yield family


def _family(metric: Metric, samples: Sequence[Sample]) -> "Family":
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for _, value, labels in samples:
            assert isinstance(value, Distribution)
            histogram.add_metric(labels, _cumulated(value), value.total)
        return histogram
    kinds: Mapping[Kind, type[CounterMetricFamily | GaugeMetricFamily]] = {
        Kind.COUNTER: CounterMetricFamily,
        Kind.GAUGE: GaugeMetricFamily,
    }
    family = kinds[metric.kind](metric.name, metric.help, labels=metric.labels)
    for _, value, labels in samples:
        assert not isinstance(value, Distribution)
        family.add_metric(labels, value)
    return family


def _cumulated(seen: Distribution) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in seen.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(seen.counts)), strict=True))
