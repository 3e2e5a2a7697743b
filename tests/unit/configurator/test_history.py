"""From whatever a part was told to what it is to run: the shortest way, serialised once."""

import random

import pytest

from bobr.catalog import Catalog, apply, diff, flip
from bobr.catalog.change import delta_of
from bobr.configurator.history import DELTAS_MAX, History, combined
from bobr.errors import RejectedError
from bobr.ids import Revision, StreamName
from bobr.runtime.words import NOTHING_YET
from bobr.testing.rollout import changed, large_catalog
from bobr.v1 import configurator_pb2 as wire


def grown(history: History, changes: int) -> list[Catalog]:
    """Every catalog that was in force, the last one is."""
    catalogs = [history.catalog]
    for number in range(changes):
        catalogs.append(changed(catalogs[-1], number % 3))
        history.follow(diff(catalogs[-2], catalogs[-1]))
    return catalogs


def taken(order: bytes, told: Catalog | None) -> Catalog:
    """What a part makes of it."""
    message = wire.Order.FromString(order)
    if message.WhichOneof("catalog") == "snapshot":
        return Catalog.model_validate_json(message.snapshot)
    assert told is not None
    return apply(delta_of(message.delta), told)


def is_delta(order: bytes) -> bool:
    which: str | None = wire.Order.FromString(order).WhichOneof("catalog")
    return which == "delta"


def test_every_part_gets_to_the_catalog_in_force() -> None:
    history = History(large_catalog(5))
    for told in grown(history, 7)[:-1]:
        order = history.order(told.revision, history.catalog)
        assert is_delta(order)
        assert taken(order, told) == history.catalog
    whole = history.order(NOTHING_YET, history.catalog)
    assert taken(whole, None) == history.catalog


def test_an_order_is_made_once_whoever_it_is_for() -> None:
    history = History(large_catalog(5))
    grown(history, 3)
    for told in (Revision(1), Revision(3), NOTHING_YET):
        orders = [history.order(told, history.catalog) for _ in range(3)]
        assert all(order is orders[0] for order in orders)
    strangers = [history.order(Revision(number), history.catalog) for number in (77, 78)]
    assert strangers[0] is strangers[1] is history.order(NOTHING_YET, history.catalog)


def test_a_change_of_a_large_catalog_is_small() -> None:
    history = History(large_catalog(2250))
    grown(history, 1)
    order = history.order(Revision(1), history.catalog)
    assert len(order) < 600
    assert len(history.order(NOTHING_YET, history.catalog)) > 400_000


def test_who_missed_very_much_gets_the_whole_catalog() -> None:
    history = History(large_catalog(3))
    catalogs = grown(history, DELTAS_MAX + 1)
    assert not is_delta(history.order(catalogs[0].revision, history.catalog))
    assert is_delta(history.order(catalogs[1].revision, history.catalog))


def test_changes_that_cancel_each_other_are_none() -> None:
    there = diff(large_catalog(2), changed(large_catalog(2)))
    both = combined([there, flip(there)])
    assert (both.base, both.revision, both.changes) == (1, 1, ())


def test_combined_changes_lead_where_all_of_them_lead() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    catalogs = [large_catalog(6)]
    for _ in range(12):
        streams = dict(catalogs[-1].streams)
        name = StreamName(f"stream-{chance.randrange(8)}")
        other = changed(large_catalog(8, chance.randrange(9)), int(name[-1])).streams[name]
        if streams.pop(name, None) is None or chance.random() < 0.5:
            streams[name] = other
        revision = Revision(catalogs[-1].revision + 1)
        catalogs.append(Catalog(revision=revision, streams=streams))
    deltas = [diff(catalogs[at], catalogs[at + 1]) for at in range(12)]
    assert apply(combined(deltas), catalogs[0]) == catalogs[-1]


def test_a_candidate_is_reached_and_left_again_by_changes() -> None:
    history = History(large_catalog(3))
    first, second = grown(history, 1)
    candidate = changed(second, 2)
    history.propose(diff(second, candidate))
    assert history.candidate == candidate
    for told in (first, second):
        order = history.order(told.revision, candidate)
        assert is_delta(order)
        assert taken(order, told) == candidate
    history.withdraw()
    assert history.candidate is None
    back = history.order(candidate.revision, history.catalog)
    assert is_delta(back)
    assert taken(back, candidate) == second


def test_a_candidate_that_comes_into_force_is_one_no_more() -> None:
    history = History(large_catalog(3))
    first = history.catalog
    candidate = changed(first)
    history.propose(diff(first, candidate))
    history.follow(diff(first, candidate))
    assert (history.catalog, history.candidate) == (candidate, None)
    assert taken(history.order(first.revision, candidate), first) == candidate
    whole = history.order(candidate.revision, candidate)
    assert not is_delta(whole)
    assert taken(whole, None) == candidate


def test_an_order_says_whether_it_is_of_a_candidate() -> None:
    history = History(large_catalog(3))
    first = history.catalog
    candidate = changed(first)
    delta = diff(first, candidate)

    def trials(to: Catalog) -> list[bool]:
        some = (NOTHING_YET, first.revision, candidate.revision)
        return [wire.Order.FromString(history.order(each, to)).trial for each in some]

    history.propose(delta)
    assert (trials(candidate), trials(first)) == ([True] * 3, [False] * 3)
    history.withdraw()
    assert trials(first) == [False] * 3
    history.propose(delta)
    history.follow(delta)
    assert trials(history.catalog) == [False] * 3


def test_who_tried_what_another_catalog_has_ended_gets_a_whole_one() -> None:
    history = History(large_catalog(3))
    first = history.catalog
    candidate = changed(changed(first))
    history.propose(diff(first, candidate))
    history.follow(diff(first, changed(first, 1)))
    assert not is_delta(history.order(candidate.revision, history.catalog))


def test_a_whole_catalog_that_is_later_keeps_the_ways() -> None:
    history = History(large_catalog(3))
    first, second = grown(history, 1)
    third = changed(changed(second), 1)
    assert history.replace(third)
    for told in (first, second):
        assert taken(history.order(told.revision, third), told) == third
        assert is_delta(history.order(told.revision, third))
    assert history.replace(third)


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_another_catalog_that_is_not_later_ends_them(revision: int) -> None:
    history = History(large_catalog(3))
    catalogs = grown(history, 2)
    other = large_catalog(4, revision)
    assert not history.replace(other)
    for told in catalogs:
        assert not is_delta(history.order(told.revision, other))


def test_what_does_not_follow_is_refused() -> None:
    history = History(large_catalog(3))
    first, second = grown(history, 1)
    with pytest.raises(RejectedError):
        history.follow(diff(first, second))
    with pytest.raises(RejectedError):
        history.propose(diff(first, second))
    assert (history.catalog, history.candidate) == (second, None)
