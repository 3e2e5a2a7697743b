"""Configuration from files: what a team's pull request does to a running system, by the commands that its CI calls."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from bobr.cli.bundle import read_bundle
from bobr.testing.system import BOBR, Done, System, running_system
from bobr.v1 import broker_pb2 as wire

PROTO = """syntax = "proto3";
package s;
message Order {
  string event_id = 1;
  int32 n = 2;
}
"""
EVENTS = "".join(json.dumps({"event_id": f"e{n}", "n": n}) + "\n" for n in range(100))


class Repository:
    """A folder `conf` of one owner, and a system to apply it to."""

    def __init__(self, root: Path, system: System, name: str) -> None:
        self.conf = root / "conf"
        self.conf.mkdir()
        self.system = system
        self.name = name
        self.write("o.proto", PROTO)

    def write(self, name: str, text: str) -> None:
        (self.conf / name).write_text(text)

    def declare(self, *, owner: str | None = None, stream: str = "", delivery: str = "") -> None:
        """One stream and one delivery of it, with more members each."""
        self.write(
            "bobr.yaml",
            f"owner: {owner or self.name}\n"
            f"streams:\n  {self.name}: {{proto: o.proto{stream}}}\n"
            f"deliveries:\n  {self.name}-lake: {{from: {self.name}, table: {self.name}, flush: 100ms{delivery}}}\n",
        )

    def bobr(self, command: str, *arguments: str) -> Done:
        return self.system.run(command, *arguments)

    def apply(self, *arguments: str) -> Any:
        return self.system.ok("apply", str(self.conf), "--json", *arguments).json()

    def history(self) -> list[Mapping[str, Any]]:
        found = self.system.ok("history", "--json", "--limit", "1000").json()["revisions"]
        return [each for each in found if self.name in each["changes"]]


@pytest.fixture
def repository(tmp_path: Path, system: System, request: pytest.FixtureRequest) -> Repository:
    """Names in it are of this test alone."""
    name = request.node.name.removeprefix("test_").split("[")[0][:40].rstrip("_")
    return Repository(tmp_path, system, name)


def test_files_make_a_table_that_fills(repository: Repository) -> None:
    repository.declare()
    assert repository.bobr("validate", str(repository.conf)).status == 0
    planned = repository.bobr("plan", str(repository.conf))
    assert f"+ stream {repository.name}\n" in planned.out
    assert f"+ delivery {repository.name}-lake\n" in planned.out
    made = repository.apply("-m", "first")
    assert {(each["part"], each["state"]) for each in made["rollout"]} >= {
        ("broker", "live"),
        ("transmitter", "live"),
    }
    repository.system.ok("publish", repository.name, "-", stdin=EVENTS)
    repository.system.flush()
    found = repository.system.sql(f"select count(*) as n, sum(n) as s from {repository.name}")
    assert found == [{"n": 100, "s": sum(range(100))}]


def test_the_same_again_changes_nothing(repository: Repository) -> None:
    repository.declare()
    first = repository.apply()
    again = repository.apply()
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["plan"]["steps"] == []
    assert len(repository.history()) == 1


def test_what_can_not_be_changes_nothing_and_says_all(repository: Repository) -> None:
    repository.declare(stream=", retention: 1s", delivery=", to: nowhere")
    checked = repository.bobr("validate", str(repository.conf), "--format", "json")
    rules = {each["rule"] for each in checked.json()["problems"]}
    applied = repository.bobr("apply", str(repository.conf))
    assert (checked.status, rules) == (1, {"wrong-value", "unknown-name"})
    assert applied.status == 2
    assert "retention: 1s: it is 1m at least [wrong-value]" in applied.err
    assert "to: there is no destination 'nowhere'" in applied.err
    assert repository.history() == []


def test_annotations_for_a_pull_request(repository: Repository) -> None:
    repository.declare(delivery=", dedup: 24")
    checked = repository.bobr("validate", str(repository.conf), "--format", "github")
    file = str(repository.conf / "bobr.yaml")
    assert checked.status == 1
    assert checked.out.startswith(f"::error file={file},line=5,col=")
    assert ",title=wrong-value::deliveries." in checked.out
    assert len(checked.out.splitlines()) == 1


def test_a_schema_evolves_and_its_table_follows(repository: Repository) -> None:
    repository.declare()
    repository.apply()
    repository.write("o.proto", PROTO.replace("int32 n = 2;", "int32 n = 2; string more = 3;"))
    planned = repository.bobr("plan", str(repository.conf))
    assert f"new columns more string in {repository.name} of lake\n" in planned.out
    evolved = repository.apply()["revision"]
    different = repository.system.ok("diff", str(evolved - 1), str(evolved)).out
    assert re.search(r"schema_ids: (\d+) → \1, \d+\n", different)
    event = json.dumps({"event_id": "x", "n": 1, "more": "m"})
    repository.system.ok("publish", repository.name, "-", stdin=event)
    repository.system.flush()
    assert repository.system.sql(f"select more from {repository.name}") == [{"more": "m"}]


def more(field: str = "") -> str:
    return PROTO.replace("int32 n = 2;", f"int32 n = 2; {field}")


def test_after_a_rollback_the_old_files_change_nothing_and_the_new_schema_goes_on(
    repository: Repository,
) -> None:
    """Also of a file that differs from what was in force by comments alone."""
    repository.declare()
    first = repository.apply()["revision"]
    repository.write("o.proto", more("string city = 3;"))
    repository.apply()
    event = json.dumps({"event_id": "new", "n": 1, "city": "Tver"})
    repository.system.ok("publish", repository.name, "-", stdin=event)
    repository.system.ok("rollback", str(first))
    repository.write("o.proto", f"// As it was.\n{more()}")
    planned = repository.bobr("plan", str(repository.conf))
    assert (planned.status, planned.out[:18]) == (0, "nothing to change ")
    assert not repository.apply()["changed"]
    repository.write("o.proto", more("string city = 3; string street = 4;"))
    assert repository.apply()["changed"]
    newest = json.dumps({"event_id": "newest", "n": 2, "city": "Tver", "street": "Mira"})
    repository.system.ok("publish", repository.name, "-", stdin=newest)
    repository.system.flush()
    found = repository.system.sql(f"select city, street from {repository.name} order by n")
    assert found == [{"city": "Tver", "street": None}, {"city": "Tver", "street": "Mira"}]


def test_a_producer_of_a_schema_that_was_rolled_back_goes_on(repository: Repository) -> None:
    repository.declare()
    first = repository.apply()["revision"]
    repository.write("o.proto", more("string city = 3;"))
    repository.apply()
    schemas = f"http://{repository.system.addresses['control']}/v1/streams/{repository.name}"
    old, new = httpx2.get(schemas, trust_env=False).json()["schemas"]
    repository.system.ok("rollback", str(first))
    assert httpx2.get(schemas, trust_env=False).json()["schemas"] == [new, old]
    address = repository.system.addresses["http"]
    answer = httpx2.post(
        f"http://{address}/v1/streams/{repository.name}/events",
        content=wire.PublishRequest(
            events=[b"\x0a\x03new\x1a\x04Tver"], schema_id=new
        ).SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    repository.system.flush()
    assert repository.system.sql(f"select city from {repository.name}") == [{"city": "Tver"}]


def test_a_field_that_was_rolled_back_stays_taken_and_the_plan_says_so(
    repository: Repository,
) -> None:
    """As apply does: events with it are in the log and in the table."""
    repository.declare()
    first = repository.apply()["revision"]
    repository.write("o.proto", more("string city = 3;"))
    repository.apply()
    repository.system.ok("rollback", str(first))
    repository.write("o.proto", more("string street = 4;"))
    for command in ("plan", "apply"):
        refused = repository.bobr(command, str(repository.conf))
        assert refused.status != 0
        assert 'field "3" with name "city"' in refused.err + refused.out
        assert f"the newest of subject '{repository.name}-value'" in refused.err + refused.out
    repository.write("o.proto", more('reserved 3; reserved "city"; string street = 4;'))
    assert repository.apply()["changed"]


def test_files_that_take_a_schema_back_are_told_of_the_rollback(repository: Repository) -> None:
    repository.declare()
    repository.apply()
    repository.write("o.proto", more("string city = 3;"))
    repository.apply()
    repository.write("o.proto", more())
    refused = repository.bobr("plan", str(repository.conf))
    assert "`bobr rollback` does, and then they change nothing [former-schema]" in (
        refused.err + refused.out
    )


def test_a_schema_that_a_command_brings_is_told_and_files_without_it_are_refused(
    repository: Repository,
) -> None:
    repository.declare()
    repository.apply()
    repository.write("o.proto", more("string city = 3;"))
    words = ("deliver", str(repository.conf / "o.proto"), "--stream", repository.name)
    refused = repository.bobr(*words, "--retention", "1d")
    assert refused.status == 2
    assert f"{repository.name!r} has it, not 'api': change it there" in refused.err
    told = repository.system.ok(*words).out
    assert f"{repository.name!r} declares stream {repository.name}: where its files" in told
    repository.write("o.proto", more())
    assert "[former-schema]" in repository.bobr("apply", str(repository.conf)).err
    repository.write("o.proto", more("string city = 3;"))
    assert not repository.apply()["changed"]


def test_a_change_that_a_table_can_not_follow_is_refused(repository: Repository) -> None:
    repository.declare()
    repository.apply()
    repository.write("o.proto", PROTO.replace("int32 n = 2;", "string n = 2;"))
    refused = repository.bobr("apply", str(repository.conf))
    assert refused.status == 2
    assert 'o.proto:5:3: Field "2" with name "n"' in refused.err


def test_a_table_that_keeps_its_rows_for_a_shorter_time_needs_consent(
    repository: Repository,
) -> None:
    timed = PROTO.replace("int32 n = 2;", "int32 n = 2; google.protobuf.Timestamp event_time = 3;")
    imported = 'import "google/protobuf/timestamp.proto";'
    repository.write("o.proto", timed.replace("package s;", f"package s; {imported}"))
    repository.declare()
    repository.apply()
    times = [datetime.now(UTC) - timedelta(days=days) for days in (0, 100)]
    lines = "".join(
        json.dumps({"event_id": f"{n}", "n": n, "event_time": at.isoformat()}) + "\n"
        for n, at in enumerate(times)
    )
    repository.system.ok("publish", repository.name, "-", stdin=lines)
    repository.system.flush()
    query = f"select n from {repository.name} order by n"
    assert repository.system.sql(query) == [{"n": 0}, {"n": 1}]
    repository.declare(delivery=", keep: 90d")
    refused = repository.bobr("apply", str(repository.conf))
    assert (refused.status, "loses the rows of partitions" in refused.err) == (2, True)
    planned = repository.bobr("plan", str(repository.conf), "--allow-delete")
    assert "that ended more than 90d ago are dropped" in planned.out
    repository.apply("--allow-delete")
    while len(repository.system.sql(query)) == 2:
        repository.system.flush()
    assert repository.system.sql(query) == [{"n": 0}]


def test_nothing_goes_without_consent(repository: Repository) -> None:
    repository.declare()
    repository.apply()
    repository.write("bobr.yaml", f"owner: {repository.name}\n")
    refused = repository.bobr("apply", str(repository.conf))
    assert refused.status == 2
    assert refused.err.count("[destructive]") == 2
    removed = repository.apply("--allow-delete")
    assert {step["action"] for step in removed["plan"]["steps"]} == {"remove"}
    published = repository.system.run("publish", repository.name, "-", stdin=EVENTS)
    assert "there is no stream" in published.err


def test_a_rollback_is_a_new_revision_that_is_as_the_old_one(repository: Repository) -> None:
    repository.declare(delivery=", dedup: 1h")
    first = repository.apply()["revision"]
    before = repository.system.ok("show", "--json", "--revision", str(first)).json()
    repository.declare(delivery=", dedup: 2h")
    second = repository.apply()["revision"]
    different = repository.system.ok("diff", str(first), str(second)).out
    back = repository.system.ok("rollback", str(first), "--json", "-m", "too long").json()
    after = repository.system.ok("show", "--json").json()
    assert "dedup: 1h → 2h" in different
    assert back["revision"] == second + 1
    assert {**after, "revision": first} == before
    last = repository.history()[0]
    assert (last["message"], last["source"]) == ("too long", f"bobr rollback {first}")


def test_who_when_from_where_and_why_are_kept(repository: Repository) -> None:
    repository.declare()
    revision = repository.apply("-m", "orders to the lake", "--author", "Ann <a@x>")["revision"]
    (entry,) = repository.history()
    assert entry["revision"] == revision
    assert (entry["author"], entry["message"]) == ("Ann <a@x>", "orders to the lake")
    assert entry["address"] == "127.0.0.1"
    assert entry["source"].startswith(str(repository.conf))
    address = repository.system.addresses["control"]
    whole = httpx2.get(f"http://{address}/v1/revisions/{revision}", trust_env=False).json()
    assert [each["name"] for each in whole["diff"]] == [repository.name, f"{repository.name}-lake"]


def test_a_consent_has_its_own_name_in_the_api_and_in_the_command(repository: Repository) -> None:
    repository.declare()
    repository.apply()
    address = repository.system.addresses["control"]
    repository.declare(owner="thieves")
    owned = read_bundle(repository.conf).model_dump(mode="json")
    repository.write("bobr.yaml", f"owner: {repository.name}\n")
    less = read_bundle(repository.conf).model_dump(mode="json")
    for bundle, word in ((owned, "take_over"), (less, "allow_delete")):
        answer = httpx2.post(
            f"http://{address}/v1/apply", json={"bundle": bundle}, timeout=60, trust_env=False
        )
        assert (answer.status_code, answer.text.count(f"`{word}`")) == (422, 4)
        assert "--" not in answer.text
    for command in ("validate", "plan", "apply"):
        done = repository.bobr(command, str(repository.conf))
        assert (done.out + done.err).count("--allow-delete removes it [destructive]") == 2


def test_a_wish_is_refused_by_its_members_in_the_api_and_by_options_in_the_command(
    repository: Repository,
) -> None:
    wish = {"files": {"o.proto": PROTO}, "main": "o.proto", "stream": repository.name}
    address = f"http://{repository.system.addresses['control']}/v1/deliver"
    answer = httpx2.post(address, json={**wish, "partition_by": "week"}, trust_env=False)
    assert answer.json()["error"]["message"].startswith("`partition_by`: a table is partitioned by")
    file = str(repository.conf / "o.proto")
    done = repository.bobr("deliver", file, "--stream", repository.name, "--partition", "week")
    assert done.err.startswith("bobr: --partition: a table is partitioned by")


def test_another_owner_takes_nothing_without_being_told_to(repository: Repository) -> None:
    repository.declare()
    repository.apply()
    repository.declare(owner="thieves")
    refused = repository.bobr("apply", str(repository.conf))
    assert refused.status == 2
    assert f"{repository.name!r} has it, not 'thieves'" in refused.err
    taken = repository.apply("--take-over")
    assert taken["changed"]
    shown = repository.system.ok("show").out
    assert ": declared by thieves\n" in shown


def test_what_one_owner_declares_is_shown_as_a_file_that_changes_nothing(
    repository: Repository, tmp_path: Path
) -> None:
    repository.declare(delivery=", dedup: 1h, keep: 90d", stream=", key: n")
    repository.apply()
    file = tmp_path / "shown.yaml"
    name = f"{repository.name}-lake"
    repository.system.ok("delivery", "pause", name)
    file.write_text(repository.system.ok("show", "--owner", repository.name).out)
    assert f"# {name} is paused until `bobr delivery resume {name}`" in file.read_text()
    planned = repository.bobr("plan", str(file))
    assert (planned.status, planned.out[:18]) == (0, "nothing to change "), planned.err
    nobody = repository.bobr("show", "--owner", f"{repository.name}x")
    assert f"nothing is declared by '{repository.name}x': did you mean" in nobody.err


def test_what_several_owners_declare_is_shown_as_a_folder_for_each(
    repository: Repository, tmp_path: Path
) -> None:
    repository.declare()
    repository.apply()
    other = f"{repository.name}-calls"
    address = repository.system.addresses["control"]
    body = {"proto": "o.proto", "files": {"o.proto": PROTO}}
    made = httpx2.put(f"http://{address}/v1/streams/{other}", json=body, trust_env=False)
    assert made.status_code == 200, made.text
    file = tmp_path / "all.yaml"
    file.write_text(repository.system.ok("show").out)
    checked = repository.bobr("validate", str(file))
    assert checked.status == 1
    assert "another document begins here, and a file has one" in checked.out
    assert "`bobr show --out FOLDER`" in checked.out
    out = tmp_path / "saved"
    repository.system.ok("show", "--out", str(out))
    planned = repository.bobr("plan", str(out / repository.name))
    assert (planned.status, planned.out[:18]) == (0, "nothing to change "), planned.err
    assert f"  {other}:\n" in (out / "api" / "bobr.yaml").read_text()
    again = repository.bobr("show", "--out", str(out))
    assert (again.status, "is there already: choose another folder" in again.err) == (2, True)


def test_of_twenty_applies_on_one_base_one_wins(repository: Repository) -> None:
    repository.declare()
    base = repository.apply()["revision"]
    bundles = []
    for number in range(20):
        repository.declare(delivery=f", dedup: {number + 1}h")
        bundles.append(read_bundle(repository.conf).model_dump(mode="json"))
    address = repository.system.addresses["control"]

    def apply(bundle: object) -> httpx2.Response:
        body = {"bundle": bundle, "base": base, "message": "race"}
        return httpx2.post(f"http://{address}/v1/apply", json=body, timeout=60, trust_env=False)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(apply, bundles))
    won = [each for each in answers if each.status_code == 200]
    lost = [each.json()["error"]["message"] for each in answers if each.status_code == 409]
    assert (len(won), len(lost)) == (1, 19)
    told = (
        f"the change was made for revision {base}, and {base + 1} is in force. Since then: {base + 1} "
        "by unknown (race) changed delivery. Nothing was changed: plan again"
    )
    assert {each.replace(f" '{repository.name}-lake'", "") for each in lost} == {told}


def test_files_alone_are_checked_where_no_system_runs(tmp_path: Path) -> None:
    """From a fresh `bobr init`, as a user would."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("BOBR_DIR", "BOBR_URL")
    }

    def bobr(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*BOBR, *words],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    made = bobr("init", "conf")
    assert made.returncode == 0, made.stderr
    checked = bobr("validate", "conf")
    assert (checked.returncode, checked.stdout) == (0, "valid: 1 stream, 1 delivery\n")
    assert "checked by themselves: no system runs" in checked.stderr
    (tmp_path / "empty.yaml").write_text("owner: shop\n")
    empty = bobr("validate", "empty.yaml", "--offline")
    assert (empty.returncode, empty.stdout) == (0, "valid: nothing is declared\n")
    quiet = bobr("validate", "conf", "--offline")
    assert (quiet.stdout, quiet.stderr) == ("valid: 1 stream, 1 delivery\n", "")
    for variable, value, why in (
        ("BOBR_URL", "http://127.0.0.1:1", "no Bobr answers there"),
        ("BOBR_DIR", str(tmp_path / "none"), "no system runs in"),
    ):
        named = bobr("validate", "conf", "--format", "github", **{variable: value})
        assert (named.returncode, named.stdout) == (2, ""), "CI is not green without the system"
        assert why in named.stderr
        assert "--offline" in named.stderr
        assert bobr("validate", "conf", "--offline", **{variable: value}).returncode == 0
    assert bobr("validate", "conf", "--dir", ".bobr").returncode == 2
    for command in ("validate", "plan", "apply", "status"):
        forgotten = bobr(command, *([] if command == "status" else ["conf"]), BOBR_URL=" ")
        assert (forgotten.returncode, forgotten.stdout) == (2, "")
        assert "BOBR_URL is set, but empty" in forgotten.stderr
    again = bobr("init", "conf")
    assert again.stderr.count("is there already and stays as it is") == 4
    schema = json.loads((tmp_path / "conf" / "bobr.schema.json").read_text())
    assert schema == json.loads(bobr("schema-of", "config").stdout)


def test_in_a_folder_of_a_repository_the_workflow_goes_to_its_root(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    team = tmp_path / "teams" / "shop"
    team.mkdir(parents=True)

    def init(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*BOBR, "init", *words], cwd=team, capture_output=True, text=True, check=False
        )

    made = init()
    assert "made ../../.github/workflows/bobr.yml" in made.stdout, made.stderr
    workflow = tmp_path / ".github" / "workflows" / "bobr.yml"
    assert steps_of(workflow, "plan")[0] == "bobr validate teams/shop/conf --format github"
    assert '"teams/shop/conf/**"' in workflow.read_text()
    assert (team / "conf" / "bobr.yaml").exists()
    (tmp_path / "root" / ".git").mkdir(parents=True)
    at_root = subprocess.run(
        [*BOBR, "init", "."], cwd=tmp_path / "root", capture_output=True, text=True, check=True
    )
    assert "made .github/workflows/bobr.yml" in at_root.stdout
    workflow = tmp_path / "root" / ".github" / "workflows" / "bobr.yml"
    assert 'paths: ["**"]' in workflow.read_text()
    assert steps_of(workflow, "plan")[0] == "bobr validate . --format github"
    refused = init("my conf")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'teams/shop/my conf': a workflow needs letters" in refused.stderr


@pytest.fixture
def own(tmp_path: Path) -> Iterator[System]:
    with running_system(tmp_path / "own") as system:
        yield system


def steps_of(workflow: Path, job: str) -> Sequence[str]:
    """What it has the shell do, line by line; but what needs a package index or GitHub."""
    steps = yaml.safe_load(workflow.read_text())["jobs"][job]["steps"]
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    return [line for line in lines if not line.startswith(("pipx ", "gh "))]


def test_the_workflow_that_init_makes_plans_and_applies(own: System, tmp_path: Path) -> None:
    """Over HTTP, as a runner reaches it; its folder is another's."""
    variables = {
        "BOBR_URL": f"http://{own.addresses['control']}",
        "MESSAGE": 'orders, and "more" $HOME',
        "AUTHOR": "ann",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def shell(line: str) -> "subprocess.CompletedProcess[str]":
        words = ("bash", "-e", "-c", line)
        env = {**os.environ, **variables}
        return subprocess.run(
            words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    subprocess.run([*BOBR, "init"], cwd=tmp_path, capture_output=True, check=True)
    workflow, plan_file = tmp_path / ".github/workflows/bobr.yml", tmp_path / "plan.md"
    validate, plan = steps_of(workflow, "plan")
    assert [shell(validate).returncode, shell(plan).returncode] == [0, 0]
    assert "| + | stream orders |" in plan_file.read_text()
    (apply,) = steps_of(workflow, "apply")
    applied = shell(apply)
    assert applied.returncode == 0, applied.stderr
    newest = own.ok("history", "--json").json()["revisions"][0]
    assert (newest["author"], newest["message"]) == ("ann", variables["MESSAGE"])
    declared = tmp_path / "conf/bobr.yaml"
    declared.write_text(declared.read_text() + "routes: 7\n")
    refused = shell(validate)
    assert refused.returncode == 1
    assert refused.stdout.startswith("::error file=conf/bobr.yaml,line=")
    assert shell(plan).returncode == 0, "what is wrong is in the comment"
    assert "It can not be applied" in plan_file.read_text()
    variables["BOBR_URL"] = "http://127.0.0.1:1"
    assert shell(plan).returncode == 1, "nothing is there to comment"
    assert shell(validate).returncode == 2, "and it is not green"


def test_what_init_makes_is_applied_as_it_is(own: System, tmp_path: Path) -> None:
    done = subprocess.run([*BOBR, "init"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "made conf/bobr.yaml" in done.stdout
    applied = own.ok("apply", str(tmp_path / "conf"), "-m", "first", "--json").json()
    assert applied["live"]
    assert applied["revision"] == 1
