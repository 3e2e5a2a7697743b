"""SIGKILL at any moment: what was acknowledged is in the table, once."""

import os
import random
import signal
from functools import partial

import pytest

from bobr.testing.trial import Trial
from bobr.testing.ways import http, streaming, unary

KILLS = 10
WAYS = (unary, streaming, http)

pytestmark = pytest.mark.slow


def test_kill_everything_at_ten_moments(trial: Trial, chance: random.Random) -> None:
    per_call = chance.choice([1, 10, 100])
    trial.filling = "x" * chance.randrange(20, 200)
    with trial.producer(per_call=per_call) as producer:
        for kill in range(KILLS):
            producer.way = WAYS[kill % len(WAYS)]
            producer.wait_for(producer.acknowledged + per_call * chance.randrange(1, 60))
            trial.system.kill()
            trial.system.up()
        producer.wait_for(producer.acknowledged + per_call)
    trial.assert_each_once(producer)


def is_back(trial: Trial, name: str, pid: int) -> bool:
    """All is well, and the part is another process. From one status: the next one may know of the death."""
    state = trial.status()
    part = next(part for part in state["parts"] if part["part"] == name)
    return bool(state["well"] and part["pid"] != pid)


def test_a_killed_part_is_started_again_and_the_status_says_so(
    trial: Trial, chance: random.Random
) -> None:
    with trial.producer(per_call=50, way=chance.choice(WAYS)) as producer:
        for name in chance.sample(["broker", "transmitter", "controller", "configurator"], 4):
            producer.wait_for(producer.acknowledged + 50 * chance.randrange(1, 30))
            pid = trial.part(name)["pid"]
            os.kill(pid, signal.SIGKILL)
            trial.wait_until(partial(is_back, trial, name, pid))
            assert (trial.part(name)["restarts"], trial.part(name)["last_exit"]) == (1, "signal 9")
        producer.wait_for(producer.acknowledged + 50)
    trial.assert_each_once(producer)


def test_a_part_that_keeps_dying_is_started_less_and_less_often(trial: Trial) -> None:
    for restarts in range(1, 4):
        pid = trial.part("transmitter")["pid"]
        os.kill(pid, signal.SIGKILL)
        trial.wait_until(partial(is_back, trial, "transmitter", pid))
        assert trial.part("transmitter")["restarts"] == restarts
    words = (trial.system.root / "logs" / "up.log").read_text()
    pauses = [
        line.split("starts again in ")[1].split()[0]
        for line in words.splitlines()
        if "again" in line
    ]
    assert pauses == ["0.2", "0.4", "0.8"]
