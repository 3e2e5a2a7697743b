"""What a producer sends twice: once in the table with ids, as often as it was acknowledged without."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from bobr.testing.trial import Trial
from bobr.testing.ways import Way, http, streaming, unary
from bobr.v1 import broker_pb2 as wire

EVENTS = 500
ROUNDS = 4
WAYS = (unary, streaming, http)

pytestmark = pytest.mark.slow


def publish(trial: Trial, way: Way, events: Sequence[bytes], per_call: int) -> int:
    """Events that were acknowledged."""

    def calls() -> Iterator[wire.PublishRequest]:
        for start in range(0, len(events), per_call):
            yield wire.PublishRequest(stream=trial.stream, events=events[start : start + per_call])

    with way(trial.addresses()) as connection:
        return sum(answer.accepted for answer in connection(calls()))


def sent_again(trial: Trial, events: Sequence[bytes], chance: random.Random) -> int:
    """Send the same events in each round, in other calls, with a commit, a kill or nothing between."""
    between: list[Callable[[], None]] = [
        trial.system.flush,
        partial(restart, trial),
        lambda: None,
    ]
    acknowledged = 0
    for _ in range(ROUNDS):
        shuffled = chance.sample(events, len(events))
        acknowledged += publish(trial, chance.choice(WAYS), shuffled, chance.randrange(1, 200))
        chance.choice(between)()
    restart(trial)
    acknowledged += publish(trial, unary, [*events, *events], len(events) * 2)
    trial.system.flush()
    return acknowledged


def restart(trial: Trial) -> None:
    trial.system.kill()
    trial.system.up()


def test_an_id_is_one_row_across_calls_commits_and_kills(
    trial: Trial, chance: random.Random
) -> None:
    events = [trial.encode(number) for number in range(EVENTS)]
    acknowledged = sent_again(trial, events, chance)
    assert acknowledged == (ROUNDS + 2) * EVENTS
    assert trial.system.sql(
        "select count(*) as n, count(distinct event_id) as ids, count(distinct number) as numbers"
        " from events"
    ) == [{"n": EVENTS, "ids": EVENTS, "numbers": EVENTS}]


def test_without_an_id_equal_events_are_all_rows_and_replays_are_none(
    trial: Trial, chance: random.Random
) -> None:
    events = [trial.encode(number, event_id="") for number in range(EVENTS)]
    acknowledged = sent_again(trial, events, chance)
    assert trial.system.sql(
        "select count(*) as n, count(distinct number) as numbers, count(distinct _offset) as offsets,"
        " count(_event_id) as ids from events"
    ) == [{"n": acknowledged, "numbers": EVENTS, "offsets": acknowledged, "ids": 0}]


def test_dedup_can_be_turned_off_and_its_window_is_the_deliverys(trial: Trial) -> None:
    trial.deliver("--table", "every_one", "--dedup", "0")
    events = [trial.encode(number) for number in range(10)]
    publish(trial, unary, [*events, *events], 20)
    publish(trial, unary, events, 10)
    trial.system.flush()
    assert trial.system.sql("select count(*) as n from every_one") == [{"n": 30}]
    assert trial.system.sql("select count(*) as n from events") == [{"n": 10}]
