"""Canaries in a running system: what one tries is for all others only when it was decided, whoever dies meanwhile."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bobr.controller.catalog_store import CatalogStore
from bobr.testing.trial import PROTO, Trial

pytestmark = pytest.mark.slow


def conf(trial: Trial, members: str = "") -> Path:
    """One more stream, `clicks`."""
    folder = trial.folder / "conf"
    folder.mkdir(exist_ok=True)
    (folder / "trial.proto").write_text(PROTO)
    text = f"owner: web\nstreams:\n  clicks: {{proto: trial.proto{members}}}\n"
    (folder / "bobr.yaml").write_text(text)
    return folder


@contextmanager
def stopped(trial: Trial, name: str) -> Iterator[None]:
    """The part stands still: a canary that does not answer."""
    pid = trial.system.running.parts[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_trial_whose_controller_is_killed_is_in_force_for_nobody(trial: Trial) -> None:
    """And the controller that comes next takes it back, tells so in the history, and takes changes again."""
    words = ("apply", str(conf(trial)), "--canary", "1", "--timeout", "10")
    controller = trial.system.running.parts["controller"].pid
    assert controller is not None
    in_force: set[int] = set()
    with (
        closing(CatalogStore.in_file(trial.system.root / "catalog.sqlite")) as store,
        stopped(trial, "broker"),
        trial.system.start(*words, stderr=subprocess.DEVNULL) as applying,
    ):
        trial.wait_until(lambda: store.newest().revision == 2)
        os.kill(controller, signal.SIGKILL)
        assert applying.wait() != 0

    def is_taken_back() -> bool:
        shown = trial.system.run("show", "--json")
        if shown.status == 0:
            in_force.add(shown.json()["revision"])
        return 3 in in_force

    trial.wait_until(is_taken_back)
    assert in_force <= {1, 3}
    revisions = trial.system.ok("history", "--json").json()["revisions"]
    assert revisions[0]["source"] == "automatic rollback"
    assert "ended before it was decided" in revisions[0]["message"]
    trial.wait_until(lambda: bool(trial.status()["well"]))
    trial.system.ok("apply", str(conf(trial)), "--canary", "1")
    with trial.producer(per_call=20) as producer:
        producer.wait_for(200)
    trial.assert_each_once(producer)
