"""The list of metrics, and how values are written: what a scraper reads is what the part said."""

import re
from collections.abc import Sequence

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from bobr.runtime.metrics import EVERY, METRICS, Histogram, Kind, Metric, Sample, exposition

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
ALL = [(part, metric) for part, metrics in METRICS.items() for metric in metrics]
UNITS = ("_seconds", "_bytes", "_ratio", "_events", "_calls", "_ids", "_parts", "_fds")
STATES = ("_well", "_failing", "_running", "_paused", "_connected", "_state", "_revision")
COUNTED = "_ids_forgotten"


def families(part: str, samples: Sequence[Sample], accept: str = "") -> dict[str, list[float]]:
    content, _ = exposition(part, samples, accept)
    return {
        family.name: [sample.value for sample in family.samples]
        for family in text_string_to_metric_families(content.decode())
    }


def test_what_is_said_is_read_by_prometheus() -> None:
    samples = [
        Sample("bobr_broker_events_refused_total", 3, ("orders", "invalid")),
        Sample("bobr_broker_events_refused_total", 1, ('o"dd\n', "invalid")),
        Sample("bobr_broker_pending_calls", 7),
    ]
    content, kind = exposition("broker", samples, "")
    assert kind.startswith("text/plain")
    read = {family.name: family for family in text_string_to_metric_families(content.decode())}
    refused = read["bobr_broker_events_refused"]
    assert refused.type == "counter"
    assert [(each.labels, each.value) for each in refused.samples] == [
        ({"stream": "orders", "reason": "invalid"}, 3),
        ({"stream": 'o"dd\n', "reason": "invalid"}, 1),
    ]
    assert [each.value for each in read["bobr_broker_pending_calls"].samples] == [7]


def test_a_histogram_counts_values_up_to_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.05, 0.2, 1.0, 1.5):
        histogram.observe(value)
    content, _ = exposition("broker", [Sample("bobr_broker_append_seconds", histogram.seen())], "")
    (found,) = [
        family
        for family in text_string_to_metric_families(content.decode())
        if family.name == "bobr_broker_append_seconds"
    ]
    buckets = {
        each.labels["le"]: each.value for each in found.samples if each.name.endswith("_bucket")
    }
    assert buckets == {"0.1": 2, "1.0": 4, "+Inf": 5}
    others = {each.name: each.value for each in found.samples if not each.name.endswith("_bucket")}
    assert others == {
        "bobr_broker_append_seconds_count": 5,
        "bobr_broker_append_seconds_sum": pytest.approx(2.85),
    }


def test_open_metrics_is_spoken_to_who_asks_for_it() -> None:
    samples = [Sample("bobr_broker_events_accepted_total", 5, ("orders",))]
    content, kind = exposition("broker", samples, OPENMETRICS)
    assert kind.startswith("application/openmetrics-text")
    parse = openmetrics.text_string_to_metric_families
    read = {family.name: family for family in parse(content.decode())}  # type: ignore[no-untyped-call]  # as it is
    assert read["bobr_broker_events_accepted"].samples[0].value == 5


@pytest.mark.parametrize("part", [part for part in METRICS if part != EVERY])
def test_every_metric_of_a_part_is_told_and_no_other(part: str) -> None:
    listed = {metric.name.removesuffix("_total") for metric in (*METRICS[part], *METRICS[EVERY])}
    assert set(families(part, [])) == listed


def test_a_metric_that_is_not_in_the_list_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="bobr_broker_secret"):
        exposition("broker", [Sample("bobr_broker_secret", 1)], "")


def test_the_process_tells_of_itself() -> None:
    told = families("controller", [])
    assert told["process_resident_memory_bytes"][0] > 1_000_000
    assert told["process_open_fds"][0] >= 1


@pytest.mark.parametrize(("part", "metric"), ALL, ids=lambda each: getattr(each, "name", ""))
def test_names_follow_the_conventions(part: str, metric: Metric) -> None:
    beginning = "process_" if part == EVERY else f"bobr_{part}_"
    assert re.fullmatch(rf"{beginning}[a-z_]+", metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith("_seconds")
    if metric.kind is Kind.GAUGE:
        assert metric.name.endswith((*UNITS, *STATES, COUNTED))
    assert metric.help.endswith(".")


def test_names_are_told_apart() -> None:
    names = [metric.name for _, metric in ALL]
    assert len(set(names)) == len(names)
