"""The catalog in PostgreSQL: without its server nothing changes, and nothing stops; with it, everything is there."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bobr.testing.postgres import Postgres
from bobr.testing.system import System, running_system
from bobr.testing.trial import Trial

pytestmark = pytest.mark.slow


@pytest.fixture
def trial(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """Its catalog is in the database; the user's name stands in a variable, as a password would."""
    user, _, place = postgres.new_database().removeprefix("postgresql://").partition("@")
    monkeypatch.setenv("CATALOG_OWNER", user)
    monkeypatch.setenv("BOBR_CATALOG", f"postgresql://${{env:CATALOG_OWNER}}@{place}")
    with running_system(tmp_path / "data") as system:
        trial = Trial(system=system, folder=tmp_path)
        trial.deliver()
        yield trial


def revisions(trial: Trial) -> list[int]:
    found = trial.system.ok("history", "--json").json()["revisions"]
    return [each["revision"] for each in found]


def test_without_its_database_events_go_on_and_nothing_changes(
    trial: Trial, postgres: Postgres
) -> None:
    """Also through the death of the controller, which waits for the database, the broker and the transmitter."""
    assert not (trial.system.root / "catalog.sqlite").exists()
    with trial.producer(per_call=20) as producer:
        producer.wait_for(200)
        postgres.kill()
        try:
            refused = trial.system.run(
                "deliver",
                str(trial.folder / "trial.proto"),
                "--stream",
                "events",
                "--retention",
                "3d",
            )
            assert refused.status == 2
            assert "the catalog database postgresql+psycopg://" in refused.err
            for name in ("controller", "broker", "transmitter"):
                pid = trial.system.running.parts[name].pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                trial.wait_until(lambda: trial.system.running.parts[name].restarts == 1)  # noqa: B023
            producer.wait_for(producer.acknowledged + 200)
            log = (
                trial.system.root / "logs" / "up.log"
            )  # the new controller has begun, and may say nothing yet
            trial.wait_until(lambda: "controller: waits: the catalog database" in log.read_text())
        finally:
            postgres.start()
        trial.wait_until(lambda: bool(trial.status()["well"]))
        trial.deliver("--retention", "4d")
        assert revisions(trial) == [2, 1]
    trial.assert_each_once(producer)


def test_a_database_that_refuses_is_told_at_once(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server answers: waiting would not help."""
    url = postgres.new_database().rpartition("/")[0] + "/nothing"
    monkeypatch.setenv("BOBR_CATALOG", url)
    started = System(root=tmp_path / "data").run("up", "--port", "0", "--detach")
    assert started.status == 2
    assert 'database "nothing" does not exist' in started.err
