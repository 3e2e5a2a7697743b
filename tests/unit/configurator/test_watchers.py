"""Who is told what, and above all who is not told to go back."""

from datetime import timedelta

import pytest

from bobr.catalog import Catalog, apply, diff
from bobr.catalog.change import delta_of
from bobr.configurator.watchers import BATCH_BYTES, BEAT_SECONDS, Watcher, Watchers
from bobr.ids import Revision
from bobr.runtime.words import GONE_SECONDS, NOTHING_YET
from bobr.testing.clock import ManualClock
from bobr.testing.rollout import changed, large_catalog
from bobr.v1 import configurator_pb2 as wire

FIRST = large_catalog(3)
SECOND = changed(FIRST)


def word(instance: str = "a", **changes: object) -> wire.Word:
    members: dict[str, object] = {"instance": instance, "part": "broker", "pid": 1, "told": -1}
    return wire.Word(**{**members, **changes})  # type: ignore[arg-type]  # fields of a word


def told(watchers: Watchers, watcher: Watcher) -> list[wire.Order]:
    """Everything that it is told now, without what only says that we live."""
    orders = []
    while (order := watchers.order(watcher)) is not None:
        orders.append(wire.Order.FromString(order))
    return [order for order in orders if order != wire.Order()]


def revisions(watchers: Watchers, watcher: Watcher) -> list[Revision]:
    return [watcher.told for _ in told(watchers, watcher)]


def current(catalog: Catalog, clock: ManualClock | None = None) -> Watchers:
    """Connected, and told."""
    watchers = Watchers(clock or ManualClock())
    watchers.connected()
    watchers.take(catalog)
    watchers.heard(0)
    return watchers


def said(watchers: Watchers) -> list[str]:
    return [word.instance for word in watchers.batch()[1]]


def test_a_part_is_told_what_it_lacks_once() -> None:
    watchers = current(FIRST)
    part = watchers.enter(word(revision=-1))
    assert [order.WhichOneof("catalog") for order in told(watchers, part)] == ["snapshot"]
    assert told(watchers, part) == []
    watchers.follow(diff(FIRST, SECOND))
    assert [order.WhichOneof("catalog") for order in told(watchers, part)] == ["delta"]
    assert told(watchers, part) == []


def test_a_part_that_calls_again_gets_the_changes_since() -> None:
    watchers = current(FIRST)
    watchers.follow(diff(FIRST, SECOND))
    part = watchers.enter(word(revision=1, told=1))
    assert [order.WhichOneof("catalog") for order in told(watchers, part)] == ["delta"]


def test_without_a_catalog_nobody_is_told_any() -> None:
    watchers = Watchers(ManualClock())
    part = watchers.enter(word(revision=-1))
    assert told(watchers, part) == []
    watchers.take(FIRST)
    assert len(told(watchers, part)) == 1


def test_what_is_on_our_disk_takes_nobody_back() -> None:
    """It lacks the last second; the controller may be down."""
    watchers = Watchers(ManualClock())
    watchers.start_from(FIRST)
    ahead = watchers.enter(word("ahead", revision=2, told=2))
    fresh = watchers.enter(word("fresh", revision=-1))
    assert told(watchers, ahead) == []
    assert len(told(watchers, fresh)) == 1
    watchers.batch()
    watchers.disconnected()
    assert told(watchers, ahead) == []


def test_a_part_that_is_ahead_goes_back_when_the_controller_has_heard_of_it() -> None:
    """It may come from a configurator that was told a little sooner."""
    watchers = current(FIRST)
    part = watchers.enter(word(revision=2, told=2))
    assert told(watchers, part) == []
    number, _, _ = watchers.batch()
    assert told(watchers, part) == []
    watchers.heard(number - 1)
    assert told(watchers, part) == []
    watchers.heard(number)
    assert revisions(watchers, part) == [1]


def test_a_part_that_is_ahead_stays_so_when_we_only_were_late() -> None:
    watchers = current(FIRST)
    part = watchers.enter(word(revision=2, told=2))
    number, _, _ = watchers.batch()
    watchers.follow(diff(FIRST, SECOND))
    watchers.heard(number)
    assert told(watchers, part) == []


def test_what_was_heard_in_a_call_before_does_not_count() -> None:
    watchers = current(FIRST)
    part = watchers.enter(word(revision=2, told=2))
    number, _, _ = watchers.batch()
    watchers.disconnected()
    watchers.connected()
    watchers.heard(number)
    assert told(watchers, part) == []
    again, _, _ = watchers.batch()
    watchers.heard(again)
    assert revisions(watchers, part) == [1]


def test_another_catalog_with_the_same_number_is_told_whole() -> None:
    watchers = current(FIRST)
    part = watchers.enter(word(revision=-1))
    told(watchers, part)
    number, _, _ = watchers.batch()
    watchers.heard(number)
    watchers.take(large_catalog(4))
    assert [order.WhichOneof("catalog") for order in told(watchers, part)] == ["snapshot"]


def test_a_candidate_is_told_to_those_alone_that_are_to_try_it() -> None:
    watchers = current(FIRST)
    tries, waits = (watchers.enter(word(name, revision=1, told=1)) for name in ("tries", "waits"))
    number, _, _ = watchers.batch()
    watchers.heard(number)
    watchers.propose(diff(FIRST, SECOND), frozenset({"tries", "stranger"}))
    assert (revisions(watchers, tries), revisions(watchers, waits)) == ([2], [])
    watchers.withdraw()
    assert (revisions(watchers, tries), revisions(watchers, waits)) == ([1], [])


def trial(catalog: Catalog, to: Catalog) -> tuple[Watchers, Watcher, Watcher]:
    """The first of two parts tries it, and was told so."""
    watchers = current(catalog)
    tries, waits = (watchers.enter(word(name, revision=1, told=1)) for name in ("tries", "waits"))
    watchers.heard(watchers.batch()[0])
    watchers.propose(diff(catalog, to), frozenset({"tries"}))
    (order,) = told(watchers, tries)
    assert (order.WhichOneof("catalog"), order.trial) == ("delta", True)
    return watchers, tries, waits


def test_what_is_on_trial_is_told_again_when_it_is_in_force() -> None:
    watchers, tries, waits = trial(FIRST, SECOND)
    watchers.follow(diff(FIRST, SECOND))
    for part, which in ((tries, "snapshot"), (waits, "delta")):
        (order,) = told(watchers, part)
        assert (order.WhichOneof("catalog"), order.trial) == (which, False)
        assert told(watchers, part) == []


@pytest.mark.parametrize("other", [FIRST, changed(FIRST, 1), changed(SECOND)])
def test_who_tried_what_another_is_in_force_instead_of_is_told_that(other: Catalog) -> None:
    """By a controller that was started anew, perhaps over a database that was put back."""
    watchers, tries, _ = trial(FIRST, SECOND)
    watchers.disconnected()
    watchers.connected()
    watchers.take(other)
    watchers.heard(watchers.batch()[0])
    (order,) = told(watchers, tries)
    assert not order.trial
    back = order.WhichOneof("catalog") == "delta"
    found = (
        apply(delta_of(order.delta), SECOND)
        if back
        else Catalog.model_validate_json(order.snapshot)
    )
    assert found == other


def test_who_tries_and_calls_again_is_told_whether_it_still_tries() -> None:
    """It does not say what it was told: a configurator that knows less would not tell it again."""
    watchers, _, _ = trial(FIRST, SECOND)
    for is_on_trial in (True, False):
        again = watchers.enter(word("tries", revision=2, told=-1))
        (order,) = told(watchers, again)
        assert (order.WhichOneof("catalog"), order.trial) == ("snapshot", is_on_trial)
        watchers.follow(diff(FIRST, SECOND)) if is_on_trial else None
    behind = Watchers(ManualClock())
    behind.start_from(FIRST)
    assert told(behind, behind.enter(word("tries", revision=2, told=-1))) == []


def test_a_flush_is_told_to_who_has_not_carried_it_out() -> None:
    watchers = current(FIRST)
    done = watchers.enter(word("done", revision=1, told=1, flushed=7))
    late = watchers.enter(word("late", revision=1, told=1, flushed=3))
    watchers.ordered(7, Revision(0))
    assert [order.flush for order in told(watchers, late)] == [0, 7]
    assert [order.flush for order in told(watchers, done)] == [0]
    assert told(watchers, late) == told(watchers, done) == []


def test_who_is_told_a_catalog_knows_before_whether_it_stays() -> None:
    watchers = current(FIRST)
    there = watchers.enter(word("there", revision=1, told=1))
    for settled, catalog in ((1, SECOND), (2, None)):
        if catalog is not None:
            watchers.follow(diff(FIRST, catalog))
        watchers.ordered(0, Revision(settled))
        order, *news = told(watchers, there)
        assert (order.settled, [each.WhichOneof("catalog") for each in news]) == (
            settled,
            ["delta"] if catalog else [],
        )
    back = watchers.enter(word("back", revision=1, told=1))
    last, *news = told(watchers, back)
    assert last.settled == 2
    assert [each.WhichOneof("catalog") for each in news] == ["delta"]


def test_a_part_hears_now_and_then_that_we_live() -> None:
    clock = ManualClock()
    watchers = current(FIRST, clock)
    part = watchers.enter(word(revision=1, told=1))
    assert (watchers.order(part), watchers.order(part)) == (b"", None)
    watchers.hear(part, word(revision=1))
    assert watchers.order(part) is None
    clock.move(timedelta(seconds=BEAT_SECONDS))
    watchers.hear(part, word(revision=1))
    assert (watchers.order(part), watchers.order(part)) == (b"", None)


def test_of_words_that_were_not_said_in_time_the_last_is() -> None:
    watchers = current(FIRST)
    part = watchers.enter(word(number=1))
    for number in (2, 3):
        watchers.hear(part, word(number=number))
    assert [each.number for each in watchers.batch()[1]] == [3]
    assert watchers.batch()[1] == []


def test_a_batch_is_bounded_and_the_rest_comes_next() -> None:
    watchers = current(FIRST)
    for name in "abc":
        watchers.enter(word(name, report=bytes(BATCH_BYTES)))
    assert [len(watchers.batch()[1]) for _ in range(3)] == [1, 1, 1]
    assert not watchers.news.is_set()


def test_who_ends_its_call_is_gone_unless_it_calls_again() -> None:
    watchers = current(FIRST)
    former, other = watchers.enter(word("a")), watchers.enter(word("b"))
    again = watchers.enter(word("a"))
    watchers.leave(former)
    watchers.leave(other)
    _, words, gone = watchers.batch()
    assert ([each.instance for each in words], gone) == (["a"], ["b"])
    watchers.leave(again)
    watchers.enter(word("a"))
    assert watchers.batch()[2] == []


def test_while_the_controller_is_down_nothing_piles_up() -> None:
    watchers = current(FIRST)
    watchers.disconnected()
    for number in range(100):
        watchers.leave(watchers.enter(word(str(number))))
    watchers.connected()
    assert watchers.batch()[1:] == ([], [])


def test_a_controller_that_comes_back_hears_of_those_who_live() -> None:
    clock = ManualClock()
    watchers = current(FIRST, clock)
    watchers.enter(word("stopped"))
    watchers.batch()
    clock.move(timedelta(seconds=GONE_SECONDS + 1))
    watchers.enter(word("living", told=NOTHING_YET))
    watchers.batch()
    watchers.disconnected()
    assert said(watchers) == []
    watchers.connected()
    assert said(watchers) == ["living"]
