"""Two transmitters on one table by mistake, one of them held up and woken late: nothing twice, nothing lost."""

import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest

from bobr.runtime.folder import Folder
from bobr.testing.trial import Status, Trial
from bobr.testing.ways import streaming
from bobr.transmitter.sinks.iceberg import IcebergConfig

ROUNDS = 4

pytestmark = pytest.mark.slow


@pytest.fixture
def twin(trial: Trial) -> Iterator[subprocess.Popen[str]]:
    """A transmitter that nobody supervises."""
    addresses = trial.addresses()
    control, configurator = f"http://{addresses['control']}", addresses["configurator"]
    arguments = ("--control", control, "--configurator", configurator)
    with trial.system.start_part("transmitter", *arguments, stdout=subprocess.PIPE) as twin:
        yield twin
        twin.kill()


def strangers(trial: Trial) -> list[Status]:
    return [part for part in trial.status()["parts"] if part["state"] == "stranger"]


def hold_up(trial: Trial, pid: int) -> None:
    """Stop it anywhere but inside a transaction of the catalog's: SQLite's lock would be nobody's then."""
    os.kill(pid, signal.SIGSTOP)
    trial.wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    while not catalog_is_free(trial):
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGSTOP)
        trial.wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def catalog_is_free(trial: Trial) -> bool:
    """Or soon is: the other one writes, too."""
    path = IcebergConfig.in_folder(Folder(root=trial.system.root).lake).catalog
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as catalog:
        try:
            catalog.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        catalog.execute("ROLLBACK")
        return True


def test_a_second_transmitter_adds_no_row_twice(
    trial: Trial, twin: subprocess.Popen[str], chance: random.Random
) -> None:
    trial.wait_until(lambda: [part["pid"] for part in strangers(trial)] == [twin.pid])
    with trial.producer(per_call=20, way=streaming) as producer:
        for _ in range(ROUNDS):
            producer.wait_for(producer.acknowledged + 20 * chance.randrange(20, 200))
            held_up = chance.choice([twin.pid, trial.part("transmitter")["pid"]])
            trial.wait_until(lambda: trial.delivery()["held"] > 0)
            hold_up(trial, held_up)
            producer.wait_for(producer.acknowledged + 20)
            trial.system.flush()  # by the other
            os.kill(held_up, signal.SIGCONT)
            producer.wait_for(producer.acknowledged + 20)
            trial.system.flush()  # by both at once
    trial.assert_each_once(producer)
    assert trial.status()["well"] is False, "somebody else's transmitter is nothing to overlook"
    twin.terminate()
    assert twin.stdout is not None
    assert "rows committed" in twin.stdout.read()
    assert twin.wait() == 0
    trial.wait_until(lambda: not strangers(trial) and trial.status()["well"])
    assert trial.delivery()["fenced"] > 0
    trial.assert_each_once(producer)
