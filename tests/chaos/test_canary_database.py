"""Three controllers on one PostgreSQL, while one of them or the database ends, or hangs, at each step of a trial.

Whoever it is: every trial is decided, all agree, and what nobody decided is in force nowhere.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import httpx2
import psycopg
import pytest

from bobr.catalog import Catalog
from bobr.catalog.keys import digest, new_key
from bobr.controller.catalog_store import CatalogStore, Entry
from bobr.errors import BobrError
from bobr.ids import DestinationName, PrincipalName, Revision
from bobr.testing.controllers import REFUSED, Body, ControllerProcess, Controllers, Watch
from bobr.testing.postgres import Postgres
from bobr.testing.steps import Step, held, make_steps
from bobr.testing.waiting import wait_until

CONTROLLERS = 3
MORE = 3
"""Trials beside those whose own controller ends or hangs, one at each step."""
GOOD_SECONDS = 1.0
"""That canaries are waited for. Ten seconds later a trial that nobody leads any more is taken back."""
REFUSED_SECONDS = 5.0
"""Long enough for a canary's refusal to be heard after a fault: one that comes later takes nothing back."""

STORED = (Step.COMMITTED, Step.TRIED, Step.ANSWERED, Step.JUDGED)
"""At which a trial is in the database, or will be at once."""
UNDECIDED = (Step.COMMITTED, Step.TRIED, Step.ANSWERED)
"""And is decided by others, when its controller ends."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Victim(Enum):
    """Who ends or hangs."""

    LEADER = "the trial's controller"
    OTHER = "another controller"
    DATABASE = "PostgreSQL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """is_stopped: it hangs, and goes on; else it ends, and starts again. is_late: when the trial was decided."""

    step: Step
    victim: Victim
    is_stopped: bool
    is_late: bool

    def __str__(self) -> str:
        """For who replays it."""
        what = "hangs" if self.is_stopped else "ends"
        until = "until it is decided" if self.is_late else "for a moment"
        return f"{self.victim.value} {what} {until} at {self.step.name}"

    @property
    def leaves_the_trial(self) -> bool:
        """To others, who decide it when its time is over."""
        is_long = self.is_late or not self.is_stopped
        return self.victim is Victim.LEADER and self.step in UNDECIDED and is_long


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A principal, and a destination that comes with it, which instances run or refuse."""

    number: int
    key: str = field(repr=False)
    is_refused: bool = False
    has_destination: bool = True

    @property
    def destination(self) -> DestinationName:
        return DestinationName(f"{REFUSED if self.is_refused else 'good'}-{self.number}")

    @property
    def principal(self) -> PrincipalName:
        return PrincipalName(f"guest-{self.number}")

    def body(self) -> Body:
        key = f"{{sha256: {digest(self.key)}}}"
        text = f"owner: team-{self.number}\n"
        text += f"principals: {{{self.principal}: {{read: ['*'], keys: [{key}]}}}}\n"
        if self.has_destination:
            place = "{kind: iceberg, warehouse: /nowhere}"
            text += f"destinations: {{{self.destination}: {place}}}\n"
        return {
            "bundle": {"files": {"conf/bobr.yaml": text}},
            "author": f"author {self.number}",
            "message": f"reason {self.number}",
        }


@dataclass
class World:
    """Controllers, their database, what was changed, and the oracle."""

    controllers: Controllers
    postgres: Postgres
    url: str
    store: CatalogStore
    chance: random.Random
    changes: list[Change] = field(default_factory=list)
    history: dict[Revision, Entry] = field(default_factory=dict)

    def trial(self, fault: Fault) -> None:
        leader, *others = self.chance.sample(self.controllers.all, CONTROLLERS)
        whom = leader if fault.victim is Victim.LEADER else others[0]
        change, before = self.random_change(fault), self.in_force()
        print(f"revision {before.revision + 1}: {change}, {fault}")
        is_to_be_heard = change.is_refused and not fault.leaves_the_trial
        seconds = REFUSED_SECONDS if is_to_be_heard else GOOD_SECONDS
        body = {**change.body(), "canary": 1, "wait_seconds": seconds}
        with ThreadPoolExecutor(1) as pool, ExitStack() as holding:
            is_there = self.hold(fault.step, holding)
            asked = pool.submit(leader.apply, body)
            wait_until(lambda: is_there() or asked.done())
            if fault.step is not Step.ANY:
                assert not asked.done(), asked.result()
                self.assert_on_trial_for_the_canary_alone(fault.step, before, leader)
            if fault.step is Step.TRIED:
                self.assert_changes(others[0], before)
            self.harm(fault, whom, holding.close)
            answer = asked.result()
        wait_until(self.is_settled)
        self.assert_decided(change, leader, answer)
        self.assert_changes(self.chance.choice(self.controllers.all))
        wait_until(self.is_settled)

    def new_change(self, *, is_refused: bool = False, has_destination: bool = True) -> Change:
        number = len(self.changes)
        key = new_key(f"guest-{number}")
        change = Change(
            number=number, key=key, is_refused=is_refused, has_destination=has_destination
        )
        self.changes.append(change)
        return change

    def random_change(self, fault: Fault) -> Change:
        """What a controller decides too late is good: it would put it in force."""
        is_refused = self.chance.random() < 0.5
        if fault.leaves_the_trial and fault.is_stopped:
            is_refused = False
        has_destination = is_refused or self.chance.random() < 0.5
        return self.new_change(is_refused=is_refused, has_destination=has_destination)

    # --- steps and faults

    def hold(self, step: Step, holding: ExitStack) -> Callable[[], bool]:
        """Have the trial wait at the step until the end; whether it does now."""
        if step is Step.ANY:
            looks = iter(range(self.chance.randrange(30)))
            return lambda: next(looks, None) is None
        if step is Step.TRIED:
            revision = self.in_force().revision + 1
            holding.enter_context(self.controllers.gate.closed())
            return lambda: revision in self.controllers.gate.before
        return holding.enter_context(held(self.url, step))

    def harm(self, fault: Fault, whom: ControllerProcess, release: Callable[[], None]) -> None:
        """End it or stop it, let the trial go on meanwhile, and heal."""
        revision = self.in_force().revision
        if fault.victim is Victim.DATABASE and fault.is_stopped:
            with self.postgres.stopped():
                release()
                assert all(each.told("catalog") for each in self.controllers.all)
        elif fault.victim is Victim.DATABASE:
            self.postgres.kill()
            release()
            assert all(each.told("catalog") for each in self.controllers.all)
            self.postgres.start()
        elif fault.is_stopped:
            with whom.stopped():
                release()
                wait_until(lambda: not fault.is_late or self.is_decided_after(revision))
        else:
            whom.kill()
            release()
            wait_until(lambda: not fault.is_late or self.is_decided_after(revision))
            whom.start()

    # --- the oracle

    def in_force(self) -> Catalog:
        return self.store.standing().catalog

    def is_decided(self) -> bool:
        try:
            return self.store.standing().trial is None
        except BobrError as error:
            raise OSError(str(error)) from error

    def is_decided_after(self, revision: Revision) -> bool:
        return self.is_decided() and self.in_force().revision > revision

    def is_settled(self) -> bool:
        """Nothing is on trial, and what is in force is so everywhere, and everybody is heard."""
        if not self.is_decided():
            return False
        catalog = self.in_force()
        return all(
            Catalog.model_validate(controller.told("catalog")) == catalog
            and all(each.ran[-1] == catalog for each in self.controllers.instances[controller])
            and controller.hears_all()
            for controller in self.controllers.all
        )

    def ran(self, revision: int) -> list[ControllerProcess]:
        """Whose instances ran it, one by one."""
        return [
            controller
            for controller, instances in self.controllers.instances.items()
            for each in instances
            if any(catalog.revision == revision for catalog in each.ran)
        ]

    def assert_on_trial_for_the_canary_alone(
        self, step: Step, before: Catalog, leader: ControllerProcess
    ) -> None:
        for each in self.controllers.all:
            assert Catalog.model_validate(each.told("catalog")) == before
        assert self.store.standing().catalog == before
        ran = self.ran(before.revision + 1)
        assert ran in (([], [leader]) if step in (Step.ANSWERED, Step.JUDGED) else ([],))

    def assert_changes(self, by: ControllerProcess, before: Catalog | None = None) -> None:
        """It takes another change; before: it does not, since the revision after that is tried."""
        answer = by.apply(self.new_change().body())
        assert answer is not None
        if before is None:
            assert answer.status_code == httpx2.codes.OK, answer.text
            assert answer.json()["live"], answer.text
        else:
            assert answer.status_code == httpx2.codes.CONFLICT, answer.text
            assert f"try revision {before.revision + 1} now" in answer.text

    def assert_decided(
        self, change: Change, leader: ControllerProcess, answer: httpx2.Response | None
    ) -> None:
        """As the one who asked was told, if he was."""
        self.assert_history()
        made = self.made(change)
        if made is None:
            assert answer is None or answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE, answer
            return
        revision = made.revision
        was_kept = self.verdicts()[revision] == "kept"
        is_back = self.is_taken_back(revision)
        assert is_back or (was_kept and not change.is_refused)
        assert was_kept or self.ran(revision) in ([], [leader])
        if answer is None or answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            return
        if answer.status_code == httpx2.codes.CONFLICT:
            assert not was_kept, answer.text
            return
        assert answer.status_code == httpx2.codes.OK, answer.text
        told = answer.json()
        assert told["revision"] == revision
        assert told["rolled_back"] in ((None, revision + 1) if is_back else (None,))
        assert not (told["live"] and is_back)

    def made(self, change: Change) -> Entry | None:
        """The revision of the change; none: it was not stored."""
        said = f"reason {change.number}"
        found = [
            each
            for each in self.history.values()
            if each.stamp.message == said and each.stamp.source == "POST /v1/apply"
        ]
        assert len(found) <= 1
        for stamp in (each.stamp for each in found):
            assert stamp.author == f"ops (author {change.number})"
            assert stamp.address == "127.0.0.1"
        return found[0] if found else None

    def verdicts(self) -> dict[int, str]:
        """On every revision that was tried: none is without."""
        query = "SELECT revision, verdict FROM bobr_trial LEFT JOIN bobr_verdict USING (revision)"
        with psycopg.connect(self.url) as connection:
            found: dict[int, str] = dict(connection.execute(query).fetchall())
        assert None not in found.values(), found
        return found

    def is_taken_back(self, revision: Revision) -> bool:
        """By the next, which says why, and is as the one before."""
        following = self.history.get(Revision(revision + 1))
        if following is None or following.stamp.source != "automatic rollback":
            return False
        made = self.history[revision]
        assert f"revision {revision}" in following.stamp.message
        assert following.stamp.author == made.stamp.author
        before, after = (self.store.at(Revision(revision + by)) for by in (-1, 1))
        assert after == before.model_copy(update={"revision": after.revision})
        return True

    def assert_history(self) -> None:
        """Without holes, and as it was before."""
        entries = {each.revision: each for each in self.store.history(limit=1_000)}
        assert sorted(entries) == list(range(1, len(entries) + 1))
        for revision, entry in self.history.items():
            assert entries[revision] == entry
        self.history = entries
        self.store.verify()

    def assert_in_force(self, change: Change) -> None:
        """Everywhere, or nowhere."""
        made = self.made(change)
        is_kept = made is not None and not self.is_taken_back(made.revision)
        catalog = self.in_force()
        assert (change.principal in catalog.principals) == is_kept
        is_there = change.destination in catalog.destinations
        assert is_there == (is_kept and change.has_destination)
        expected = httpx2.codes.OK if is_kept else httpx2.codes.UNAUTHORIZED
        for controller, instances in self.controllers.instances.items():
            answer = controller.call("GET", "catalog", key=change.key)
            assert answer.status_code == expected, (change.principal, answer.text)
            for each in instances:
                assert (change.principal in (each.line.principals or {})) == is_kept

    def assert_from_history(self, seen: Sequence[Catalog]) -> None:
        """As it is there, and forward, but for a canary that nobody leads: it goes back to what is in force."""
        assert [each for each in seen if each != self.store.at(Revision(each.revision))] == []
        tried = self.verdicts()
        untried = [each.revision for each in seen if each.revision not in tried]
        assert untried == sorted(untried)

    def assert_all_is_as_decided(self, watch: Watch) -> None:
        """Of every change, at the end; and nobody ever showed or ran anything else."""
        self.assert_history()
        for change in self.changes:
            self.assert_in_force(change)
        taken_back = {each for each, verdict in self.verdicts().items() if verdict == "taken back"}
        for shown in watch.shown.values():
            revisions = [each.revision for each in shown]
            assert revisions == sorted(set(revisions) - taken_back)
            self.assert_from_history(shown)
        for instances in self.controllers.instances.values():
            for each in instances:
                self.assert_from_history(each.ran)


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path, chance: random.Random) -> Iterator[World]:
    """With an administrator, so that every call needs a key."""
    url, key = postgres.new_database(), new_key("ops")
    with (
        Controllers(tmp_path, url, CONTROLLERS) as controllers,
        closing(CatalogStore(url)) as store,
    ):
        make_steps(url)
        keys = f"[{{sha256: {digest(key)}}}]"
        text = f"owner: ops\nprincipals: {{ops: {{configure: ['*'], keys: {keys}}}}}\n"
        body = {"bundle": {"files": {"conf/bobr.yaml": text}}}
        answer = controllers.all[0].apply(body)
        assert answer is not None
        assert answer.status_code == httpx2.codes.OK, answer.text
        controllers.use_key(key)
        world = World(controllers, postgres, url, store, chance)
        wait_until(world.is_settled)
        yield world


def random_faults(chance: random.Random) -> Sequence[Fault]:
    """Of the trial's controller at each step, one of them so long that others decide; and some of others."""
    more = [(step, victim) for step in Step for victim in (Victim.OTHER, Victim.DATABASE)]
    places = [*((step, Victim.LEADER) for step in Step), *chance.sample(more, MORE)]
    chance.shuffle(places)
    hangs = chance.choice(UNDECIDED), Victim.LEADER
    return [
        Fault(
            step=step,
            victim=victim,
            is_stopped=(step, victim) == hangs or chance.random() < 0.4,
            is_late=(step, victim) == hangs or (step in STORED and chance.random() < 0.5),
        )
        for step, victim in places
    ]


def test_a_trial_is_decided_for_all_whoever_ends_or_hangs_at_whatever_step(world: World) -> None:
    watch = Watch()
    with ThreadPoolExecutor(CONTROLLERS) as pool, ExitStack() as ending:
        ending.callback(watch.end)
        watching = [pool.submit(watch.look, each) for each in world.controllers.all]
        for fault in random_faults(world.chance):
            world.trial(fault)
    for look in watching:
        look.result()
    world.assert_all_is_as_decided(watch)
