"""Canaries in a running system: what one tries is for all others only when it was decided, whoever dies meanwhile."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from bobr.catalog.keys import digest, new_key
from bobr.controller.catalog_store import CatalogStore
from bobr.runtime.folder import Folder
from bobr.runtime.revisions import Revisions
from bobr.testing.trial import PROTO, Trial
from bobr.testing.waiting import stop

pytestmark = pytest.mark.slow

DEBUG = "settings: {log_level: debug}\n"


def conf(trial: Trial) -> Path:
    """One more stream, `clicks`."""
    folder = trial.folder / "conf"
    folder.mkdir(exist_ok=True)
    (folder / "trial.proto").write_text(PROTO)
    text = "owner: web\nstreams:\n  clicks: {proto: trial.proto}\n"
    (folder / "bobr.yaml").write_text(text)
    return folder


@contextmanager
def stopped(trial: Trial, name: str) -> Iterator[None]:
    """The part stands still: a canary that does not answer."""
    pid = trial.system.running.parts[name].pid
    assert pid is not None
    stop(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def try_out(trial: Trial, text: str, key: str = "") -> int | None:
    """Ask for what this file says, by a canary; the status, or None: the controller ended while it was asked.

    By HTTP, as a command needs longer to start than a part that stands still is still counted as living.
    """
    body = {"bundle": {"files": {"conf/bobr.yaml": text}}, "canary": 1, "wait_seconds": 10}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    url = f"http://{trial.addresses()['control']}/v1/apply"
    try:
        return httpx2.post(
            url, json=body, headers=headers, trust_env=False, timeout=60.0
        ).status_code
    except httpx2.TransportError:
        return None


def test_a_trial_whose_controller_is_killed_is_in_force_for_nobody(trial: Trial) -> None:
    """And the controller that comes next takes it back, tells so in the history, and takes changes again."""
    controller = trial.system.running.parts["controller"].pid
    assert controller is not None
    in_force: set[int] = set()
    with (
        closing(CatalogStore.in_file(trial.system.root / "catalog.sqlite")) as store,
        ThreadPoolExecutor(1) as pool,
        stopped(trial, "broker"),
    ):
        asked = pool.submit(try_out, trial, DEBUG)
        trial.wait_until(lambda: store.newest().revision == 2)
        assert store.standing().trial is not None
        url = f"http://{trial.addresses()['control']}/v1/revisions"
        assert httpx2.get(url, trust_env=False).json()["on_trial"] == 2
        os.kill(controller, signal.SIGKILL)
        assert asked.result() is None

    def is_taken_back() -> bool:
        shown = trial.system.run("show", "--json")
        if shown.status == 0:
            in_force.add(shown.json()["revision"])
        return 3 in in_force

    trial.wait_until(is_taken_back)
    assert in_force <= {1, 3}
    history = trial.system.ok("history", "--json").json()
    revisions = history["revisions"]
    assert history["on_trial"] is None
    assert revisions[0]["source"] == "automatic rollback"
    assert "ended before it was decided" in revisions[0]["message"]
    trial.wait_until(lambda: bool(trial.status()["well"]))
    assert try_out(trial, DEBUG) == 200
    with trial.producer(per_call=20) as producer:
        producer.wait_for(200)
    trial.assert_each_once(producer)


def principals(**keys: str) -> str:
    """As a file: `ops` may do everything, others publish."""
    rights = {"ops": "publish: ['*'], read: ['*'], configure: ['*']"}
    lines = (
        f"  {name}: {{keys: [{{sha256: {digest(key)}}}], {rights.get(name, 'publish: [events]')}}}\n"
        for name, key in keys.items()
    )
    return "principals:\n" + "".join(lines)


def publish(trial: Trial, key: str) -> int:
    """One event, with this key; the status. OSError: no broker answers."""
    try:
        return httpx2.post(
            f"http://{trial.addresses()['http']}/v1/streams/{trial.stream}/events",
            json={"event_id": uuid.uuid4().hex},
            headers={"authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=30.0,
        ).status_code
    except httpx2.TransportError as error:
        raise OSError(str(error)) from error


def on_disk(trial: Trial, part: str) -> list[int]:
    """Revisions that the part keeps, newest first."""
    folder = Folder(root=trial.system.root)
    return [each.revision for each in Revisions(folder.revisions_of(part)).newest_first()]


def test_what_a_trial_gives_is_given_to_nobody_who_starts_again(trial: Trial) -> None:
    """Neither to a canary that is killed in it, nor to a system that is, and then has no database of the catalog."""
    ops, mallory = new_key("ops"), new_key("mallory")
    folder = trial.folder / "access"
    folder.mkdir()
    (folder / "bobr.yaml").write_text(principals(ops=ops))
    trial.system.ok("apply", str(folder))
    trial.wait_until(lambda: on_disk(trial, "broker")[:1] == [2])
    assert (publish(trial, ops), publish(trial, mallory)) == (200, 401)
    controller = trial.system.running.parts["controller"].pid
    broker = trial.system.running.parts["broker"].pid
    assert controller is not None
    assert broker is not None
    log = Folder(root=trial.system.root).log_of("configurator")
    with ThreadPoolExecutor(1) as pool:
        with stopped(trial, "transmitter"):
            asked = pool.submit(try_out, trial, principals(ops=ops, mallory=mallory), ops)
            trial.wait_until(lambda: publish(trial, mallory) == 200)
            stop(controller)  # so that nobody decides it
        # Some seconds, in which the broker could have written what it tries.
        trial.wait_until(lambda: "the controller is silent" in log.read_text())
        assert publish(trial, mallory) == 200
        os.kill(broker, signal.SIGKILL)
        trial.wait_until(lambda: trial.system.running.parts["broker"].restarts == 1)
        trial.wait_until(lambda: publish(trial, ops) == 200)
        assert publish(trial, mallory) == 401
        trial.system.kill()
        assert asked.result() is None
    for part in ("broker", "transmitter", "configurator"):
        assert on_disk(trial, part)[0] == 2
    nowhere = ("--catalog", "postgresql://127.0.0.1:1/none")
    with trial.system.start("up", "--port", "0", *nowhere, stdout=subprocess.DEVNULL) as up:
        try:
            trial.wait_until(lambda: publish(trial, ops) == 200)
            assert publish(trial, mallory) == 401
        finally:
            up.terminate()


@pytest.fixture
def twin(trial: Trial) -> Iterator["subprocess.Popen[str]"]:
    """A second transmitter, that nobody supervises, and that the controller hears."""
    addresses = trial.addresses()
    control, configurator = f"http://{addresses['control']}", addresses["configurator"]
    arguments = ("--control", control, "--configurator", configurator)
    with trial.system.start_part("transmitter", *arguments, stdout=subprocess.DEVNULL) as twin:
        try:
            trial.wait_until(lambda: twin.pid in {each["pid"] for each in trial.status()["parts"]})
            yield twin
        finally:
            twin.kill()


def test_of_two_transmitters_only_the_first_tries_what_it_refuses(
    trial: Trial, twin: "subprocess.Popen[str]"
) -> None:
    """What is kept after it is on the disks of all, canary or not; what was taken back is on none."""
    first = trial.system.running.parts["transmitter"].pid
    folder = conf(trial)
    good = (folder / "bobr.yaml").read_text()
    (folder / "bobr.yaml").write_text(
        good
        + "destinations: {nowhere: {kind: iceberg, warehouse: '${env:NOBODY_SETS_THIS}'}}\n"
        + "deliveries: {clicks: {from: clicks, to: nowhere, table: clicks}}\n"
    )
    refused = trial.system.run("apply", str(folder), "--canary", "1", "--json")
    assert refused.status == 1, refused.err
    answer = refused.json()
    asked = {each["pid"]: each["state"] for each in answer["rollout"]}
    assert answer["rolled_back"] == 3
    assert asked[first] == "refused"
    assert twin.pid not in asked
    (folder / "bobr.yaml").write_text(good)
    answer = trial.system.ok("apply", str(folder), "--canary", "1", "--json").json()
    assert (answer["revision"], answer["live"]) == (4, True)
    assert {first, twin.pid} <= {each["pid"] for each in answer["rollout"]}
    for part in ("broker", "transmitter", "configurator"):
        trial.wait_until(lambda: on_disk(trial, part)[:1] == [4])  # noqa: B023
        assert 2 not in on_disk(trial, part), "it was tried by the broker, and taken back"
