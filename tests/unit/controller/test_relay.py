"""What a configurator is fed: from what it was told to what is wanted."""

from dataclasses import replace

from bobr.catalog import Catalog, apply
from bobr.catalog.change import delta_of
from bobr.controller.parts import Trial, Wanted
from bobr.controller.relay import Fed, feed
from bobr.testing.rollout import changed, large_catalog
from bobr.v1 import controller_pb2 as wire

FIRST = large_catalog(3)
SECOND = changed(FIRST)
THIRD = changed(SECOND, 1)
TRIAL = Trial(catalog=THIRD, instances=frozenset({"a", "b"}))


def fed(wanted: Wanted | None, heard: int = 0) -> Fed:
    return Fed(wanted=wanted, heard=heard)


def told(before: Wanted | None, now: Wanted) -> tuple[str | None, str | None]:
    """Which members say what is new."""
    message = feed(fed(before), fed(now))
    return message.WhichOneof("catalog"), message.WhichOneof("trial")


def test_it_begins_with_the_whole_catalog_and_goes_on_with_changes() -> None:
    first = feed(fed(None), fed(Wanted(catalog=FIRST)))
    assert Catalog.model_validate_json(first.snapshot) == FIRST
    second = feed(fed(Wanted(catalog=FIRST)), fed(Wanted(catalog=THIRD)))
    assert apply(delta_of(second.delta), FIRST) == THIRD


def test_what_is_not_new_is_not_said_again() -> None:
    wanted = Wanted(catalog=FIRST, trial=TRIAL, flush=7)
    message = feed(fed(wanted, 3), fed(wanted, 4))
    assert message == wire.Feed(flush=7, heard=4)


def test_a_trial_is_told_with_its_changes_and_its_end() -> None:
    before, during = Wanted(catalog=SECOND), Wanted(catalog=SECOND, trial=TRIAL)
    begun = feed(fed(before), fed(during))
    assert apply(delta_of(begun.candidate.delta), SECOND) == THIRD
    assert list(begun.candidate.instances) == ["a", "b"]
    assert told(during, before) == (None, "withdrawn")
    assert told(None, during) == ("snapshot", "candidate")


def test_what_comes_into_force_ends_a_trial_without_a_word() -> None:
    during = Wanted(catalog=SECOND, trial=TRIAL)
    assert told(during, Wanted(catalog=THIRD)) == ("delta", None)
    again = replace(TRIAL, catalog=changed(THIRD))
    assert told(during, Wanted(catalog=THIRD, trial=again)) == ("delta", "candidate")
    assert told(during, replace(during, trial=again)) == (None, "candidate")
