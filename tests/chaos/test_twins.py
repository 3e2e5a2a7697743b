"""Two transmitters on one table by mistake, one of them held up and woken late: nothing twice, nothing lost."""

import os
import random
import signal
import subprocess
from collections.abc import Iterator

import pytest

from bobr.testing.trial import Status, Trial
from bobr.testing.ways import streaming

ROUNDS = 4

pytestmark = pytest.mark.slow


@pytest.fixture
def twin(trial: Trial) -> Iterator[subprocess.Popen[str]]:
    """A transmitter that nobody supervises."""
    control = f"http://{trial.addresses()['control']}"
    arguments = ("--control", control)
    with trial.system.start_part("transmitter", *arguments, stdout=subprocess.PIPE) as twin:
        yield twin
        twin.kill()


def strangers(trial: Trial) -> list[Status]:
    return [part for part in trial.status()["parts"] if part["state"] == "stranger"]


def test_a_second_transmitter_adds_no_row_twice(
    trial: Trial, twin: subprocess.Popen[str], chance: random.Random
) -> None:
    trial.wait_until(lambda: [part["pid"] for part in strangers(trial)] == [twin.pid])
    with trial.producer(per_call=20, way=streaming) as producer:
        for _ in range(ROUNDS):
            producer.wait_for(producer.acknowledged + 20 * chance.randrange(20, 200))
            held_up = chance.choice([twin.pid, trial.part("transmitter")["pid"]])
            trial.wait_until(lambda: trial.delivery()["held"] > 0)
            os.kill(held_up, signal.SIGSTOP)
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
