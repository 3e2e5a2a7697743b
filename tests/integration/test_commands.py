"""The commands that a user has, each as its help says, on one running system."""

import gzip
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bobr.cli import system as cli
from bobr.errors import UnavailableError
from bobr.testing.system import System, running_system
from bobr.testing.waiting import stop

SHOP = """
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
message Order {
  string event_id = 1 [(buf.validate.field).string.min_len = 1];
  google.protobuf.Timestamp event_time = 2;
  string platform = 3;
  double total = 4 [(buf.validate.field).double.gte = 0];
  repeated Item items = 5;
  message Item { string sku = 1; int32 quantity = 2; }
}
"""


def order(number: int, **changes: object) -> str:
    event = {
        "event_id": f"order-{number}",
        "event_time": "2026-11-24T10:00:00Z",
        "platform": "ios" if number % 3 else "web",
        "total": number / 2,
        "items": [{"sku": "a", "quantity": number}],
    }
    return json.dumps({**event, **changes})


@pytest.fixture
def shop(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A stream and table of the test's own; its name."""
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")
    (tmp_path / "shop.proto").write_text(SHOP)
    arguments = ("--message", "shop.v1.Order", "--stream", name)
    system.ok("deliver", str(tmp_path / "shop.proto"), *arguments)
    return name


def test_events_become_rows(system: System, shop: str, tmp_path: Path) -> None:
    lines = [order(number) for number in range(98)]
    lines[10:10] = [order(500, total=-1), '{"event_id": "x", "totl": 1}']
    (tmp_path / "orders.ndjson").write_text("\n".join(lines) + "\n")
    done = system.run("publish", shop, str(tmp_path / "orders.ndjson"), "--json")
    assert done.status == 1
    counts = done.json()
    assert (counts["accepted"], counts["rejected"]) == (98, 2)
    invalid, unknown = map(json.loads, done.err.splitlines())
    assert (invalid["line"], invalid["reason"], invalid["field"]) == (11, "REASON_INVALID", "total")
    assert invalid["rule"] == "double.gte"
    assert (unknown["line"], unknown["reason"], unknown["field"]) == (
        12,
        "REASON_UNKNOWN_FIELD",
        "totl",
    )
    system.flush()
    query = f"select platform, count(*) as n from {shop} group by 1 order by 1"
    assert system.sql(query) == [{"platform": "ios", "n": 65}, {"platform": "web", "n": 33}]
    assert system.ok("sql", query, "--csv").out.splitlines() == ["platform,n", "ios,65", "web,33"]
    assert "ios" in system.ok("sql", query).out


def test_rejects_go_to_a_file(system: System, shop: str, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.ndjson"
    done = system.run("publish", shop, "-", "--rejects", str(rejects), stdin=order(1, total=-1))
    assert (done.status, done.err) == (1, "")
    (line,) = rejects.read_text().splitlines()
    assert json.loads(line)["event"]["event_id"] == "order-1"


@pytest.mark.parametrize("indent", [None, 2], ids=["jq -c .event", "jq .event"])
def test_mended_rejects_are_published_again(
    system: System, shop: str, tmp_path: Path, indent: int | None
) -> None:
    """`jq '.event.total = 0 | .event' rejects.ndjson | bobr publish … -`."""
    rejects = tmp_path / "rejects.ndjson"
    lines = "\n".join(order(number, total=-number) for number in range(5))
    refused = system.run("publish", shop, "-", "--rejects", str(rejects), "--json", stdin=lines)
    assert refused.json()["reasons"] == {"REASON_INVALID": 4}
    events = [json.loads(line)["event"] for line in rejects.read_text().splitlines()]
    mended = "\n".join(json.dumps({**event, "total": 0}, indent=indent) for event in events)
    assert system.ok("publish", shop, "-", "--json", stdin=mended).json()["accepted"] == 4
    system.flush()
    assert system.sql(f"select count(*) as n, sum(total) as total from {shop}") == [
        {"n": 5, "total": 0}
    ]


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_the_guide_mends_what_can_be_mended(system: System, shop: str, tmp_path: Path) -> None:
    """Also when some of it is no JSON, or no object."""
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "producers.md").read_text()
    (line,) = re.findall(r"^jq '.+(?= \| bobr publish clicks -$)", guide, re.MULTILINE)
    refused = ("--rejects", str(tmp_path / "refused.ndjson"))
    lines = ['{"event_id": "o-1", "pgae": 1}', '{"event_id": "o-2', "[1]", '"x"', ""]
    assert system.run("publish", shop, "-", *refused, stdin="\n".join(lines)).status == 1
    mended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(mended.stdout) == {"event_id": "o-1", "pgae": 1, "page": "/"}


def test_files_in_other_forms_are_published(system: System, shop: str, tmp_path: Path) -> None:
    events = [json.loads(order(number)) for number in range(9)]
    file = tmp_path / "orders"
    lines = "\n".join(map(json.dumps, events)).encode()
    forms = [gzip.compress(lines), json.dumps(events).encode()]
    forms += [json.dumps(form, indent=2).encode() for form in (events, events[0])]
    for form in [*forms, gzip.compress(forms[2])]:
        file.write_bytes(form)
        system.ok("publish", shop, str(file))
    system.flush()
    (found,) = system.sql(f"select count(*) as n from {shop}")
    (stream,) = (
        each for each in system.ok("status", "--json").json()["streams"] if each["stream"] == shop
    )
    assert (found["n"], stream["accepted"], stream["rejected"]) == (9, 37, 0)


def test_what_no_producer_meant_is_one_line(system: System, shop: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"
    file.write_bytes(b"PAR1" + b"\n{" * 1_000)
    done = system.run("publish", shop, str(file))
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert f"{file} is Parquet" in done.err


def test_csv_is_published_as_its_refusal_says(system: System, shop: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("event_id,total,event_time\n0017,2.50,2026-11-24T10:00:00Z\n0018,,\n")
    done = system.run("publish", shop, str(file))
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)
    (query,) = re.findall(r'`bobr sql "(.+)" --json \| bobr publish STREAM -`', done.err)
    rows = system.ok("sql", query.replace("FILE", str(file)), "--json").out
    assert system.ok("publish", shop, "-", "--json", stdin=rows).json()["accepted"] == 2
    system.flush()
    assert system.sql(f"select event_id, total from {shop} order by 1") == [
        {"event_id": "0017", "total": 2.5},
        {"event_id": "0018", "total": 0.0},
    ]


@pytest.mark.parametrize("text", ["", "\n \n", "[]"], ids=["empty", "blank", "array"])
def test_a_file_without_events_is_told(
    system: System, shop: str, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "orders.ndjson"
    file.write_text(text)
    done = system.ok("publish", shop, str(file))
    assert done.out == "accepted 0, rejected 0\n"
    assert done.err == f"bobr: {file} has no events: nothing was published\n"


@pytest.mark.parametrize(
    ("number", "status", "why"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
    ids=["int", "term", "hup"],
)
def test_a_live_pipe_is_published_as_it_comes(
    system: System, shop: str, number: signal.Signals, status: int, why: str
) -> None:
    """`tail -f orders.ndjson | bobr publish`, and Ctrl-C: each line is stored before the next one is written."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with system.start("publish", shop, "-", "--json", **pipes) as publish:
        assert publish.stdin is not None
        assert publish.stderr is not None
        publish.stdin.write(order(1) + "\n")
        publish.stdin.flush()
        assert system.ok("tail", shop, "--from", "0", "--limit", "1").out
        publish.stdin.write(order(2, total=-1) + "\n")
        publish.stdin.flush()
        assert json.loads(publish.stderr.readline())["line"] == 2
        publish.send_signal(number)
        out, err = publish.communicate(timeout=60)
    assert publish.returncode == status
    reasons = {"REASON_INVALID": 1}
    assert json.loads(out) == {"accepted": 1, "rejected": 1, "unsure": 0, "reasons": reasons}
    told = f"bobr: {why}; nothing behind the first 2 events is stored: --skip 2 goes on there"
    in_between = "; 1 refused events of lines 2 to 2 are not written down"  # just read here, not yet ticked off there
    assert err in (f"{told}\n", f"{told}{in_between}\n")


@pytest.mark.parametrize("words", [("--timeout", "2"), ()], ids=["--timeout", "Ctrl-C"])
def test_events_without_an_answer_are_said_to_be_unsure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """A broker that hangs: the whole of its words are where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as broker:
        address = "{}:{}".format(*broker.getsockname())
        monkeypatch.setenv("BOBR_URL", address)
        (tmp_path / "orders.ndjson").write_text("{}\n{}\n")
        file = str(tmp_path / "orders.ndjson")
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        system = System(root=tmp_path, by_environment=True)
        with system.start("publish", "orders", file, *words, **pipes) as publish:
            tell_addresses(broker, address)
            events, _ = broker.accept()
            with events:
                events.recv(65536)
                if not words:
                    publish.send_signal(signal.SIGINT)
                out, err = publish.communicate(timeout=60)
    (line,) = err.splitlines()
    assert (publish.returncode, out) == (2 if words else 130, "accepted 0, rejected 0\n")
    assert line == (
        f"bobr: {'the broker has not answered for 2 s' if words else 'interrupted'}; "
        "2 events, lines 1 to 2, may or may not be stored: --skip 0 sends them again, safely if "
        "they have an id; --skip 2 goes on behind them"
    )


def test_a_terminal_that_is_closed_is_a_hangup_also_beside_a_progress_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master, terminal = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as broker:
        address = "{}:{}".format(*broker.getsockname())
        monkeypatch.setenv("BOBR_URL", address)
        pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        system = System(root=tmp_path, by_environment=True)
        with system.start("publish", "orders", "-", stderr=terminal, **pipes) as publish:
            os.close(terminal)
            tell_addresses(broker, address)
            shown = b""
            while b"publishing" not in shown:
                shown += os.read(master, 65536)
            os.close(master)
            publish.send_signal(signal.SIGHUP)
            out, _ = publish.communicate(timeout=60)
    assert (publish.returncode, out) == (129, "accepted 0, rejected 0\n")


def tell_addresses(broker: socket.socket, address: str) -> None:
    body = json.dumps({"http": address, "control": address, "lake": "/lake"}).encode()
    head = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    connection, _ = broker.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(head.encode() + body)


@pytest.mark.parametrize("form", ["\n", ","], ids=["lines", "array"])
def test_the_first_events_are_passed_over(system: System, shop: str, form: str) -> None:
    """Blank lines are none; the lines of what is refused are those of the whole input."""
    events = form.join([order(1), "\n", order(2), order(3, total=-1)])
    text = f"[{events.replace(',,', ',')}]" if form == "," else events
    done = system.run("publish", shop, "-", "--skip", "1", "--json", stdin=text)
    assert (done.status, done.json()["accepted"], done.json()["rejected"]) == (1, 1, 1)
    assert json.loads(done.err)["event"]["event_id"] == "order-3"
    rest = system.run("publish", shop, "-", "--skip", "3", "--json", stdin=text)
    assert (rest.status, rest.json()["accepted"]) == (0, 0)
    assert "stdin has 3 events, and --skip 3 passes over them" in rest.err


def test_lines_are_counted_as_an_editor_does(system: System, shop: str) -> None:
    """Blank lines are skipped, and counted all the same."""
    lines = ["", order(1), "  ", "", order(2, total=-1), "", order(3)]
    done = system.run("publish", shop, "-", stdin="\r\n".join(lines))
    assert done.status == 1
    (refused,) = map(json.loads, done.err.splitlines())
    assert refused["line"] == 5
    assert refused["event"]["event_id"] == "order-2"


@pytest.mark.parametrize("where", ["--rejects", "stderr"])
def test_what_is_stored_is_said_when_refused_events_can_not_be_written(
    system: System, shop: str, tmp_path: Path, where: str
) -> None:
    """And it is no success: what comes behind them, the last line, is not published."""
    file = tmp_path / "orders.ndjson"
    file.write_text("\n".join([order(1), order(2, total=-1), order(3, total=-1), order(4)]))
    words = ("--rejects", "/dev/full") if where == "--rejects" else ()
    reading, writing = os.pipe()
    if where == "stderr":
        os.close(reading)  # as `2> >(head -1)` does
    with system.start(
        "publish", shop, str(file), *words, stdout=subprocess.PIPE, stderr=writing
    ) as publish:
        os.close(writing)
        out, _ = publish.communicate(timeout=60)
    assert (publish.returncode, out) == (2, "accepted 1, rejected 2 (2 REASON_INVALID)\n")
    if where == "--rejects":
        with os.fdopen(reading) as err:
            assert err.read() == (
                "bobr: --rejects /dev/full can not be written: No space left on device; nothing behind "
                "the first 3 events is stored: --skip 3 goes on there; 2 refused events of lines "
                "2 to 3 are not written down\n"
            )


def test_rejects_never_empty_the_file_to_publish(system: System, shop: str, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text(order(1))
    same = system.run("publish", shop, str(events), "--rejects", str(events))
    assert (same.status, events.read_text()) == (2, order(1))
    nowhere = system.run("publish", shop, str(events), "--rejects", str(tmp_path / "no" / "file"))
    assert (nowhere.status, len(nowhere.err.splitlines())) == (2, 1)
    dash = system.run("publish", shop, str(events), "--rejects", "-")
    assert (dash.status, len(dash.err.splitlines())) == (2, 1)
    assert "without --rejects they go to stderr" in dash.err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--dedup", ""), ("--dedup", "24"), ("--retention", ""), ("--event-bytes-max", "0")],
)
def test_what_is_typed_is_never_taken_for_what_was_left_out(
    system: System, tmp_path: Path, option: str, value: str
) -> None:
    (tmp_path / "shop.proto").write_text(SHOP)
    words = ("deliver", str(tmp_path / "shop.proto"), "--stream", "typed", option, value)
    done = system.run(*words, "--message", "shop.v1.Order")
    assert (done.status, done.err.startswith(f"bobr: {option}")) == (2, True)


@pytest.mark.parametrize("words", [(), ("--rejects", "/dev/full")], ids=["stdout", "both"])
@pytest.mark.parametrize("number", [1, -1], ids=["accepted", "refused"])
def test_a_full_disk_at_the_output_loses_no_count(
    system: System, shop: str, tmp_path: Path, words: tuple[str, ...], number: int
) -> None:
    (tmp_path / "orders.ndjson").write_text(order(1, total=number))
    file = str(tmp_path / "orders.ndjson")
    with Path("/dev/full").open("w") as full:
        publish = system.start(
            "publish", shop, file, "--json", *words, stdout=full, stderr=subprocess.PIPE
        )
        _, err = publish.communicate(timeout=60)
    assert (publish.returncode, "Exception" in err) == (2, False)
    *_, counts, why = err.splitlines()
    told = json.loads(counts.removeprefix("bobr: "))
    assert (told["accepted"], told["rejected"]) == ((1, 0) if number > 0 else (0, 1))
    assert "can not be written: No space left on device" in why


def test_a_result_is_printed_as_it_is(system: System) -> None:
    query = "select 1 as a, 2 as a, ':x:' as b"
    assert system.sql(query) == [{"a": 1, "a_1": 2, "b": ":x:"}]
    assert system.ok("sql", query, "--csv").out == "a,a_1,b\n1,2,:x:\n"
    assert system.ok("sql", query).out.split() == ["a", "a_1", "b", "1", "2", ":x:"]
    assert system.ok("sql", "select 1 as a where false", "--csv").out == "a\n"


def test_a_table_that_is_not_there_is_told_with_those_that_are(system: System, shop: str) -> None:
    done = system.run("sql", f"select * from {shop[:-1]}x")
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith(
        f"bobr: no table '{shop[:-1]}x' in {system.root / 'lake'}; there are: {shop}"
    )


def test_a_data_folder_that_is_none_is_told(tmp_path: Path) -> None:
    done = System(root=tmp_path / "mistyped").run("sql", "select 1")
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert str(tmp_path / "mistyped") in done.err


def test_a_table_that_is_cut_says_so_beside_its_rows(system: System) -> None:
    done = system.ok("sql", "select range as n from range(1234)")
    assert done.out.split() == ["n", *map(str, range(1_000))]
    assert "234 more rows" in done.err


def test_two_forms_at_once_are_none(system: System) -> None:
    done = system.run("sql", "select 1", "--json", "--csv")
    assert (done.status, done.out) == (2, "")


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1 as a) to '{}'",
        "explain analyze copy (select 1 as a) to '{}'",
        "copy (pivot (select 1 as a) on a using sum(a)) to '{}'",
        "select 1; copy (select 1 as a) to '{}'",
        "prepare p as copy (select 1 as a) to '{}'; execute p",
        "attach '{}' as other; create table other.a as select 1 as a",
        "export database '{}'",
        "set profile_output = '{}'; pragma enable_profiling = 'json'; select 1",
    ],
)
def test_sql_writes_no_files(system: System, query: str) -> None:
    """A wrong path would end a table."""
    target = system.root / "lake" / "written"
    done = system.run("sql", query.format(target))
    assert (done.status, target.exists()) == (2, False)
    assert len(done.err.splitlines()) == 1


def test_sql_reads_in_every_way(system: System, shop: str, tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("id,city\n1,Riga\n")
    joined = (
        f"select city from read_csv('{tmp_path}/cities.csv') anti join {shop} on city = platform"
    )
    assert system.sql(joined) == [{"city": "Riga"}]
    assert system.sql("create temp table t as select 7 as a; from t") == [{"a": 7}]
    assert system.sql("pivot (select 'x' as a, 2 as b) on a using sum(b)") == [{"x": 2}]
    for query in ("show tables", f"describe {shop}", f"explain from {shop}"):
        assert system.sql(query)
    shown = system.ok("sql", "select null as a, '' as b, 'x' as c").out
    assert shown.splitlines()[1].split() == ["NULL", "x"]
    for query in ("", " ; ", "create table t as select 1", f"insert into {shop} select 1"):
        assert system.run("sql", query).status == 2


def test_a_query_comes_from_stdin_or_begins_with_a_comment(system: System) -> None:
    """A file of some lines, as editors on Windows save it, too."""
    assert system.ok("sql", "-", "--csv", stdin="\ufeffselect 1 as a,\r\n 'б' as b;\r\n").out == (
        "a,b\n1,б\n"
    )
    for comment in ("-- a comment", "--another"):
        assert system.sql(f"{comment}\nselect 1 as a") == [{"a": 1}]
    assert "No such option: --cvs" in system.run("sql", "select 1", "--cvs").err
    nothing = system.run("sql", "-", stdin="")
    assert (nothing.status, nothing.err) == (2, "bobr: there is no statement in the query\n")


@pytest.mark.parametrize(
    ("query", "place", "last"),
    [
        ("select 1;\nselec 2", ["LINE 2: selec 2", "        ^"], 'syntax error at or near "selec"'),
        ("select 'x'::int as a", ["LINE 1: select 'x'::int as a", " "], "Could not convert string"),
        ("select b from (select 1 as a)", [], 'FROM clause! Candidate bindings: "a"'),
        ("select bas(1)", [], 'bas does not exist! Did you mean "'),
    ],
)
def test_the_last_line_says_what_is_wrong_in_a_query(
    system: System, query: str, place: list[str], last: str
) -> None:
    done = system.run("sql", query)
    assert (done.status, done.out) == (2, "")
    *shown, line = done.err.splitlines()
    assert len(shown) == len(place)
    assert all(each.startswith(wanted) for each, wanted in zip(shown, place, strict=True))
    assert line.startswith("bobr: ")
    assert last in line


def test_tail_shows_decoded_events(system: System, shop: str) -> None:
    system.ok("publish", shop, "-", stdin="\n".join(map(order, range(7))))
    lines = system.ok("tail", shop, "--from", "beginning", "--limit", "5").out.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["event_id"] for event in events] == [f"order-{number}" for number in range(5)]
    assert events[1]["items"] == [{"sku": "a", "quantity": 1}]
    wrong = system.run("tail", shop, "--from", "yesterday")
    assert (wrong.status, "beginning, end or an offset" in wrong.err) == (2, True)
    lines = system.ok("tail", shop, "--from", "5", "--no-follow").out.splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == ["order-5", "order-6"]


def test_tail_waits_for_what_comes(system: System, shop: str) -> None:
    system.ok("publish", shop, "-", stdin=order(0))
    url = f"http://{system.addresses['control']}/v1/streams/{shop}/events?from=end&follow=1"
    with httpx2.stream("GET", url, timeout=60.0, trust_env=False) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == ["", "", ""], "nothing new, and it goes on"
        system.ok("publish", shop, "-", stdin=order(1))
        event = next(line for line in lines if line)
        assert json.loads(event)["event_id"] == "order-1"


def test_tail_prints_nothing_but_events(system: System, shop: str) -> None:
    with system.start("tail", shop, "--from", "0", stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        for number in range(3):
            system.ok("publish", shop, "-", stdin=order(number))
            assert json.loads(tail.stdout.readline())["event_id"] == f"order-{number}"
        tail.send_signal(signal.SIGINT)
        rest = tail.stdout.read()
    assert (rest, tail.returncode) == ("", 130)


def test_status_tells_how_things_stand(system: System, shop: str) -> None:
    system.ok("publish", shop, "-", stdin="\n".join(map(order, range(4))))
    system.flush()
    state = system.ok("status", "--json").json()
    assert {part["part"] for part in state["parts"]} == {
        *("controller", "configurator", "broker", "transmitter")
    }
    (stream,) = (each for each in state["streams"] if each["stream"] == shop)
    assert (stream["events"], stream["accepted"], stream["rejected"]) == (4, 4, 0)
    (delivery,) = (each for each in state["deliveries"] if each["delivery"] == shop)
    assert (delivery["lag"], delivery["rows"], delivery["state"]) == (0, 4, "running")
    assert shop in system.ok("status").out


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[System]:
    """A system whose controller hangs."""
    with running_system(tmp_path) as system:
        controller = system.running.parts["controller"].pid
        assert controller is not None
        stop(controller)
        yield system
        os.kill(controller, signal.SIGCONT)


def test_status_without_the_controller_is_what_the_supervisor_knows(
    deaf: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = deaf.running
    done = deaf.run("status", "--json")
    state, (line,) = done.json(), done.err.splitlines()
    assert (done.status, state["well"], state["addresses"]) == (1, False, running.addresses)
    assert (state["streams"], state["deliveries"]) == (None, None)
    parts = {part["part"]: (part["state"], part["pid"]) for part in state["parts"]}
    pids = {name: part.pid for name, part in running.parts.items()}
    assert {name: pid for name, (_, pid) in parts.items()} == pids
    assert (parts["controller"][0], parts["broker"][0]) == ("silent", "running")
    assert line.startswith(f"bobr: the controller at {running.addresses['control']} has not")
    assert f"kill -9 {pids['controller']}" in line
    shown = deaf.run("status")
    assert (shown.status, shown.err) == (1, done.err)
    assert ["controller", "silent", str(pids["controller"])] in [
        words.split()[:3] for words in shown.out.splitlines()
    ]
    assert "streams are not known" in shown.out
    monkeypatch.setenv("BOBR_URL", running.addresses["http"])
    far = System(root=deaf.root / "nowhere", by_environment=True).run("status", "--json")
    assert (far.status, far.json()["parts"], far.err.count("\n")) == (1, None, 1)
    assert far.json()["addresses"]["grpc"] == running.addresses["grpc"]


def test_a_flush_ends_soon_after_its_time_though_the_controller_hangs(deaf: System) -> None:
    done = deaf.run("flush", "--timeout", "1")
    (line,) = done.err.splitlines()
    assert (done.status, "has not answered for 6 s: " in line) == (2, True)


def test_an_interrupted_deliver_says_that_it_may_be_done_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a controller that hangs: the whole of its words are where it listens."""
    (tmp_path / "shop.proto").write_text(SHOP)
    with socket.create_server(("127.0.0.1", 0)) as controller:
        address = "{}:{}".format(*controller.getsockname())
        monkeypatch.setenv("BOBR_URL", address)
        words = ("deliver", str(tmp_path / "shop.proto"), "--stream", "orders")
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        system = System(root=tmp_path, by_environment=True)
        with system.start(*words, **pipes) as deliver:
            tell_addresses(controller, address)
            wish, _ = controller.accept()
            with wish:
                wish.recv(65536)
                deliver.send_signal(signal.SIGINT)
                out, err = deliver.communicate(timeout=60)
    (line,) = err.splitlines()
    assert (deliver.returncode, out) == (130, "")
    assert "stream orders may be made or changed all the same" in line


def test_a_tail_does_not_wait_for_a_controller_that_hangs(
    deaf: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "TIMEOUT_SECONDS", 0.5)
    with (
        cli.controller(deaf.root) as controller,
        pytest.raises(UnavailableError, match=r"has not answered .*: `bobr status` tells"),
    ):
        list(controller.lines("/v1/streams/orders/events", {}))


def test_a_second_publish_of_the_same_events_adds_no_rows(system: System, shop: str) -> None:
    for _ in range(3):
        system.ok("publish", shop, "-", stdin="\n".join(map(order, range(50))))
        system.flush()
    assert system.sql(f"select count(*) as n, count(distinct event_id) as ids from {shop}") == [
        {"n": 50, "ids": 50}
    ]


def test_what_is_wrong_is_one_clear_line_and_status_2(system: System, tmp_path: Path) -> None:
    nowhere = System(root=tmp_path / "nowhere").run("status")
    assert (nowhere.status, nowhere.out) == (2, "")
    assert nowhere.err.startswith("bobr: no system runs in")
    unknown = system.run("tail", "nothing", "--limit", "1")
    assert (unknown.status, "no stream 'nothing'" in unknown.err) == (2, True)
    port = system.run("up", "--port", "99999")
    assert (port.status, "Traceback" in port.err) == (2, False)
    nothing = system.run("publish", "nothing", "-", stdin="{}\n{}\n")
    assert (nothing.status, len(nothing.err.splitlines())) == (2, 1)
    assert "no stream 'nothing'" in nothing.err
    broken = tmp_path / "broken.proto"
    broken.write_text('syntax = "proto3";\nmessage A { strin x = 1; }\n')
    refused = system.run("deliver", str(broken), "--stream", "broken")
    assert (refused.status, "broken.proto:2:13" in refused.err) == (2, True)


@pytest.mark.parametrize("form", ["http://{}", "{}", "http://{}/", " {}/ "])
def test_the_address_of_a_system_may_be_written_in_every_way(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("BOBR_URL", form.format(system.addresses["http"]))
    nowhere = System(root=tmp_path / "nowhere", by_environment=True)
    assert nowhere.ok("status", "--json").json()["addresses"] == dict(system.addresses)
    assert nowhere.sql("select 1 as a") == [{"a": 1}]


@pytest.mark.parametrize("url", ["localhost:1", "http://local host", "ftp://localhost", "http://"])
def test_a_wrong_address_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("BOBR_URL", url)
    done = System(root=tmp_path, by_environment=True).run("status")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert f"BOBR_URL is {url}" in done.err


def test_a_folder_that_is_typed_goes_before_an_address_that_was_exported(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOBR_URL", "http://production.invalid")
    assert system.ok("status", "--json").json()["addresses"] == dict(system.addresses)
    assert system.sql("select 1 as a") == [{"a": 1}]


def test_an_empty_address_is_none(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOBR_URL", "")
    assert system.sql("select 1 as a") == [{"a": 1}]


def test_down_where_nothing_runs(tmp_path: Path) -> None:
    """It is down, as whoever wrote a script wants it; a folder that may be mistyped is said in words."""
    nowhere = System(root=tmp_path / "nowhere").run("down")
    assert (nowhere.status, nowhere.out) == (0, "")
    assert nowhere.err == f"bobr: no system runs in {tmp_path}/nowhere: there is no such folder\n"
    for file in (None, tmp_path / "lock"):
        if file:
            file.touch()
        stopped = System(root=tmp_path).run("down")
        assert (stopped.status, stopped.out) == (0, "")
        assert stopped.err == f"bobr: no system runs in {tmp_path}\n"
