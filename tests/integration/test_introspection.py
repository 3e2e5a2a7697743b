"""What users and monitors see of a running system: counted against what was really published, part by part."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bobr.runtime.metrics import EVERY, METRICS, Metric
from bobr.testing.system import System
from bobr.testing.waiting import until

PARTS = ("broker", "configurator", "controller", "transmitter")
PROTO = """syntax = "proto3";
package s;
message Order {
  string event_id = 1;
  int32 n = 2;
}
"""
Values = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Desk:
    """A stream, a delivery of it that commits only when it is told to, and all that can be asked of them."""

    def __init__(self, system: System, name: str) -> None:
        self.system = system
        self.name = name
        self.delivery = f"{name}-lake"

    def publish(self, first: int, end: int) -> None:
        events = (json.dumps({"event_id": f"e{n}", "n": n}) for n in range(first, end))
        self.system.ok("publish", self.name, "-", stdin="".join(f"{each}\n" for each in events))

    def stream(self) -> Any:
        return self.system.ok("stream", "show", self.name, "--json").json()

    def told(self) -> Any:
        return self.system.ok("delivery", "show", self.delivery, "--json").json()

    def row(self) -> Any:
        rows = self.system.ok("streams", "--json").json()["streams"]
        return next(each for each in rows if each["stream"] == self.name)

    def until_told(self, holds: Callable[[Any], bool]) -> Any:
        return until(self.told, holds)

    def value(self, part: str, metric: str, **labels: str) -> float:
        return values(self.system, part)[metric, frozenset(labels.items())]

    def lag_metric(self) -> float:
        metric = "bobr_controller_delivery_lag_events"
        return self.value("controller", metric, stream=self.name, delivery=self.delivery)


@pytest.fixture
def desk(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Of this test alone."""
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[-40:].strip("_")
    (tmp_path / "o.proto").write_text(PROTO)
    (tmp_path / "bobr.yaml").write_text(
        f"owner: {name}\n"
        f"streams:\n  {name}: {{proto: o.proto}}\n"
        f"deliveries:\n  {name}-lake: {{from: {name}, table: {name}, flush: 24h}}\n"
    )
    system.ok("apply", str(tmp_path))
    desk = Desk(system, name)
    desk.until_told(lambda told: told["state"] == "running")
    return desk


def answer(system: System, part: str, path: str) -> httpx2.Response:
    where = system.ok("status", "--json").json()["metrics"][part]
    return httpx2.get(f"http://{where}{path}", trust_env=False, timeout=30)


def exposed(system: System, part: str) -> Iterator[Any]:
    """Families, as Prometheus reads them."""
    yield from text_string_to_metric_families(answer(system, part, "/metrics").text)


def values(system: System, part: str) -> Values:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in exposed(system, part)
        for sample in family.samples
    }


def test_a_table_that_is_behind_says_by_how_much(desk: Desk) -> None:
    desk.publish(0, 100)
    told = desk.told()
    assert (told["lag"], told["rows"], told["undecodable"]) == (100, 0, 0)
    assert told["lag_seconds"] > 0
    assert desk.told()["lag_seconds"] > told["lag_seconds"], "nobody delivers: it grows"
    (reader,) = desk.stream()["readers"]
    assert (reader["name"], reader["kind"], reader["lag"]) == (desk.delivery, "delivery", 100)
    assert (desk.row()["events"], desk.row()["readers"], desk.row()["largest_lag"]) == (100, 1, 100)
    assert desk.lag_metric() == 100

    desk.system.flush()
    told = desk.told()
    assert (told["lag"], told["lag_seconds"], told["rows"]) == (0, 0.0, 100)
    assert (told["positions"], told["rows_committed"]) == ({"0": 100}, 100)
    assert told["ingest_watermark"] >= desk.stream()["last_event"]
    assert desk.lag_metric() == 0
    committed = desk.value(
        "transmitter", "bobr_transmitter_rows_committed_total", delivery=desk.delivery
    )
    assert committed == 100
    desk.publish(0, 10)  # sent again
    desk.system.flush()
    assert desk.until_told(lambda told: told["duplicates"] == 10)["rows"] == 100


def test_a_paused_table_falls_behind_and_catches_up(desk: Desk) -> None:
    desk.publish(0, 20)
    desk.system.flush()
    desk.system.ok("delivery", "pause", desk.delivery, "-m", "the disk is moved")
    history = desk.system.ok("history", "--json").json()["revisions"]
    assert "the disk is moved" in [each["message"] for each in history]
    desk.publish(20, 50)
    behind = desk.until_told(lambda told: told["lag"] == 30)
    assert behind["paused"]
    assert behind["positions"] == {"0": 20}
    paused = desk.value(
        "controller",
        "bobr_controller_delivery_paused",
        stream=desk.name,
        delivery=desk.delivery,
    )
    assert paused == 1
    desk.system.ok("delivery", "resume", desk.delivery)
    desk.system.flush()
    told = desk.told()
    assert (told["paused"], told["lag"], told["rows"]) == (False, 0, 50)


def test_the_rate_is_what_was_published_over_the_time_it_was_measured(desk: Desk) -> None:
    measured = until(desk.stream, lambda told: told["measured_seconds"] is not None)
    assert measured["events_per_second"] == 0
    desk.publish(0, 600)
    told = desk.stream()
    # The oldest look of the last minute is from before: it saw none of them.
    events = told["events_per_second"] * told["measured_seconds"]
    assert events == pytest.approx(600, abs=1)
    assert desk.row()["events_per_second"] > 0


def test_partitions_are_told_with_their_share(desk: Desk) -> None:
    assert desk.stream()["skew"] is None
    desk.publish(0, 7)
    told = desk.stream()
    assert told["skew"] == 1.0
    (partition,) = told["partitions"]
    assert (partition["first"], partition["end"], partition["share"]) == (0, 7, 1.0)
    status = desk.system.ok("status", "--json").json()
    found = next(each for each in status["streams"] if each["stream"] == desk.name)
    for member in ("events", "MB", "last_event", "schemas"):
        assert told[member] == found[member], member
    shown = desk.system.ok("stream", "show", desk.name).out
    assert "partition  first  end" in shown
    assert desk.delivery in shown


def test_a_delivery_is_told_with_what_is_declared_of_it(desk: Desk) -> None:
    told = desk.told()
    declared = {name: told[name] for name in ("partition", "dedup", "flush", "keep")}
    assert declared == {"partition": "day", "dedup": "24h", "flush": "24h", "keep": None}
    desk.publish(0, 3)
    desk.system.flush()
    told = desk.until_told(lambda told: told["last_commit"] is not None)
    assert (told["rows_retired"], told["last_retired"]) == (0, None)
    shown = desk.system.ok("delivery", "show", desk.delivery).out
    assert re.search(r"^dedup +24h$", shown, re.MULTILINE)


def test_what_is_not_there_is_not_found(system: System) -> None:
    assert system.run("stream", "show", "nowhere").status == 2
    assert system.run("delivery", "pause", "nowhere").status == 2
    assert "there is no delivery 'nowhere'" in system.run("delivery", "show", "nowhere").err


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_healthy_and_ready(system: System, part: str) -> None:
    assert answer(system, part, "/healthz").json() == {"status": "SERVING"}
    assert answer(system, part, "/readyz").json() == {"status": "SERVING"}


def test_all_parts_say_where_their_metrics_are(system: System) -> None:
    status = system.ok("status", "--json").json()
    assert sorted(status["metrics"]) == sorted(each["part"] for each in status["parts"])
    assert status["metrics"] == dict(system.running.metrics)


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_exposes_is_what_is_listed(desk: Desk, part: str) -> None:
    desk.publish(0, 3)
    desk.system.flush()
    listed: Mapping[str, Metric] = {
        metric.name.removesuffix("_total"): metric for metric in (*METRICS[part], *METRICS[EVERY])
    }
    found = {family.name: family for family in exposed(desk.system, part)}
    assert found.keys() == listed.keys()
    for name, family in found.items():
        assert (family.type, family.documentation) == (listed[name].kind, listed[name].help)
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(listed[name].labels), sample


def test_metrics_agree_with_the_status(desk: Desk) -> None:
    desk.publish(0, 40)
    desk.system.flush()
    status = desk.system.ok("status", "--json").json()
    revision = status["revision"]
    stream = next(each for each in status["streams"] if each["stream"] == desk.name)
    table = next(each for each in status["deliveries"] if each["delivery"] == desk.delivery)
    at, to = {"stream": desk.name}, {"delivery": desk.delivery}
    accepted = desk.value("broker", "bobr_broker_events_accepted_total", **at)
    assert accepted == 40 == stream["accepted"]
    assert desk.value("controller", "bobr_controller_stream_events", **at) == stream["events"]
    assert desk.value("controller", "bobr_controller_stream_bytes", **at) / 1e6 == pytest.approx(
        stream["MB"], abs=0.001
    )
    for metric, member in (
        ("rows_committed_total", "rows_committed"),
        ("files_committed_total", "files_committed"),
        ("committed_bytes_total", "bytes_committed"),
        ("commits_total", "commits"),
        ("duplicates_total", "duplicates"),
        ("retries_total", "retries"),
        ("dedup_ids", "ids"),
    ):
        assert desk.value("transmitter", f"bobr_transmitter_{metric}", **to) == table[member]
    seconds = "bobr_transmitter_commit_seconds_count"
    assert desk.value("transmitter", seconds, **to) == table["commits"]
    state = "bobr_transmitter_delivery_state"
    assert desk.value("transmitter", state, state=table["state"], **to) == 1
    for part in PARTS:
        metric = f"bobr_{part}_catalog_revision"
        revisions = partial(desk.value, part, f"bobr_{part}_catalog_revision")
        until(revisions, lambda told: told == revision)
        running = "bobr_controller_part_running", frozenset({("part", part)})
        assert values(desk.system, "controller")[running] == 1


def test_calls_are_counted_by_edge_and_refusals_by_reason(desk: Desk) -> None:
    def seen(metric: str, **labels: str) -> float:
        return values(desk.system, "broker").get((metric, frozenset(labels.items())), 0.0)

    url = f"http://{desk.system.addresses['http']}/v1/streams/{desk.name}/events"
    calls = seen("bobr_broker_publish_seconds_count", edge="http")
    failed = seen("bobr_broker_calls_failed_total", edge="http", error="rejected")
    headers = {"content-type": "application/json"}
    for body in (b'{"n": 1}', b'[{"n": 2}, {"n": "x"}, {"m": 1}]', b"[{]"):
        httpx2.post(url, content=body, headers=headers, trust_env=False, timeout=30)
    refused = {
        reason: seen("bobr_broker_events_refused_total", stream=desk.name, reason=reason)
        for reason in ("malformed", "invalid", "unknown_field")
    }
    assert sum(refused.values()) == 2
    assert refused["unknown_field"] == 1
    assert seen("bobr_broker_events_accepted_total", stream=desk.name) == 2
    assert seen("bobr_broker_publish_seconds_count", edge="http") >= calls + 2
    assert seen("bobr_broker_calls_failed_total", edge="http", error="rejected") >= failed + 1


def test_names_of_strangers_are_no_labels(system: System) -> None:
    name = f"nobody-{uuid4().hex}"
    unknown = (
        "bobr_broker_events_refused_total",
        frozenset({("stream", ""), ("reason", "unknown_stream")}),
    )
    before = values(system, "broker").get(unknown, 0.0)
    url = f"http://{system.addresses['http']}/v1/streams/{name}/events"
    refused = httpx2.post(url, json={"n": 1}, trust_env=False, timeout=30)
    assert refused.json()["rejected"][0]["reason"] == "REASON_UNKNOWN_STREAM"
    assert values(system, "broker")[unknown] >= before + 1
    for part in PARTS:
        assert name not in answer(system, part, "/metrics").text


def test_the_api_describes_its_answers(system: System) -> None:
    where = system.addresses["control"]
    described = httpx2.get(f"http://{where}/openapi.json", trust_env=False).json()
    for path in ("/v1/streams", "/v1/streams/{name}", "/v1/deliveries", "/v1/deliveries/{name}"):
        content = described["paths"][path]["get"]["responses"]["200"]["content"]
        model = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        assert described["components"]["schemas"][model]["properties"], path
    found = httpx2.get(f"http://{where}/v1/deliveries", trust_env=False).json()
    assert [each["delivery"] for each in found["deliveries"]] == sorted(
        each["delivery"] for each in system.ok("status", "--json").json()["deliveries"]
    )


def log_lines(system: System, part: str, event: str) -> list[dict[str, Any]]:
    """Complete JSON lines of that event."""
    text = (system.root / "logs" / f"{part}.log").read_text()
    lines = [json.loads(each) for each in text.splitlines(keepends=True) if each.endswith("}\n")]
    return [each for each in lines if each["event"] == event]


def has(batch: str, row: Mapping[str, Any]) -> bool:
    """Whether the row's event is in the range that such an id names."""
    place, numbers = batch.rsplit("@", 1)
    first, events = map(int, numbers.split("+"))
    same = place == f"{row['_stream']}/{row['_partition']}"
    return same and first <= row["_offset"] < first + events


def test_a_row_leads_back_to_the_call_that_brought_it(desk: Desk, tmp_path: Path) -> None:
    debug = tmp_path / "settings"
    debug.mkdir()
    (debug / "bobr.yaml").write_text("owner: row-to-call\nsettings: {log_level: debug}\n")
    desk.system.ok("apply", str(debug))
    for first, end in ((0, 5), (5, 9), (9, 30)):
        desk.publish(first, end)
    desk.system.flush()
    columns = "_stream, _partition, _offset"
    (row,) = desk.system.sql(f"select {columns} from {desk.name} where n = 7")

    def stored() -> list[dict[str, Any]]:
        return [
            each for each in log_lines(desk.system, "broker", "stored") if has(each["batch"], row)
        ]

    (line,) = until(stored, bool)
    assert line["batch"] == f"{desk.name}/0@5+4"
    assert (line["edge"], line["calls"], line["level"]) == ("http", 1, "debug")

    def committed() -> list[dict[str, Any]]:
        lines = log_lines(desk.system, "transmitter", "committed")
        return [each for each in lines if any(has(batch, row) for batch in each["batches"])]

    (commit,) = until(committed, bool)
    assert commit["delivery"] == desk.delivery
    assert commit["level"] == "info"
    desk.system.ok("apply", str(_without_settings(debug)), "--allow-delete")


def _without_settings(folder: Path) -> Path:
    (folder / "bobr.yaml").write_text("owner: row-to-call\n")
    return folder
