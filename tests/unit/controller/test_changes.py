"""Changes: from what is asked to what every instance answers, and back when one refuses."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bobr.catalog import Catalog, Delivery, LogLevel, Settings
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.catalog.validate import check_catalog
from bobr.controller.catalog_store import CatalogStore, Stamp, Standing
from bobr.controller.changes import Changes
from bobr.controller.holdings import Holder
from bobr.controller.mandate import Applied, Care, Mandate
from bobr.controller.parts import Parts, Wanted
from bobr.controller.proposal import Consent
from bobr.controller.registry import Registry, Store
from bobr.controller.rollout import State
from bobr.errors import BrokenError, ConflictError, NotFoundError, ProblemsError, UnavailableError
from bobr.ids import DeliveryName, PrincipalName, Revision
from bobr.runtime.words import NOTHING_YET, PartName, Word, refused
from bobr.schema.source.sources import SOURCE_BYTES_MAX
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog

PROTO = 'syntax = "proto3"; package s; message Order { string event_id = 1; }'
STAMP = Stamp(
    author="ann",
    address="here",
    source="a test",
    message="why",
    at=datetime(2026, 11, 29, tzinfo=UTC),
)
MANDATE = Mandate(stamp=STAMP, permit=lambda *_: None)
Runs = Callable[[Catalog], str | None]
"""Why an instance can not run a catalog; None: it does."""


def files(**streams: str) -> Bundle:
    """Streams with more members each."""
    lines = [f"  {name}: {{proto: o.proto{more}}}" for name, more in streams.items()]
    proto = Proto(main="o.proto", files={"o.proto": "o.proto"})
    text = "streams:\n" + "\n".join(lines)
    return Bundle(files={"bobr.yaml": text}, protos={"o.proto": proto}, texts={"o.proto": PROTO})


@dataclass
class Instance:
    """One instance of a part, as the controller meets it: it is wanted to run something, and answers."""

    name: str
    part: PartName
    runs: Runs = lambda _: None
    seen: list[Revision] = field(default_factory=list)
    tried: list[Revision] = field(default_factory=list)
    error: str | None = None
    revision: Revision = NOTHING_YET

    async def live(self, parts: Parts) -> None:
        number = 0
        while True:
            wanted = self.wanted(parts)
            if wanted.revision not in self.seen[-1:]:
                self.seen.append(wanted.revision)
            self.take(wanted, parts.wanted.settled)
            number += 1
            await parts.hear([self.word(number)], "configurator")
            await parts.wait_for(lambda: self.has_news(parts))

    def has_news(self, parts: Parts) -> bool:
        is_settled = self.error is not None and self.seen[-1] <= parts.wanted.settled
        return is_settled or self.wanted(parts).revision != self.seen[-1]

    def wanted(self, parts: Parts) -> Catalog:
        trial = parts.wanted.trial
        if trial is None or self.name not in trial.instances:
            return parts.wanted.catalog
        self.tried.append(Revision(trial.catalog.revision))
        return trial.catalog

    def take(self, catalog: Catalog, settled: Revision) -> None:
        self.error = None if catalog.revision <= settled else self.runs(catalog)
        if self.error is None:
            self.revision = catalog.revision

    def word(self, number: int) -> Word:
        return Word.model_validate(
            {
                "instance": self.name,
                "part": self.part,
                "pid": 1,
                "number": number,
                "revision": self.revision,
                "error": self.error,
                "report": {},
                "flushed": 0,
            }
        )


@dataclass
class World:
    """A controller's changes with instances around them."""

    changes: Changes
    store: CatalogStore
    parts: Parts
    clock: ManualClock

    async def apply(self, bundle: Bundle, **care: bool | int | float) -> Applied:
        return await self.changes.apply(bundle, Consent(), MANDATE, Care(**care))  # type: ignore[arg-type]

    async def rollback(self, revision: int, *, allow_delete: bool = True) -> Applied:
        return await self.changes.rollback(
            Revision(revision), MANDATE, Care(), allow_delete=allow_delete
        )


@asynccontextmanager
async def world(folder: Path, *instances: Instance) -> AsyncIterator[World]:
    store = CatalogStore.in_file(folder / "catalog.sqlite")
    registry = Registry(Store(folder / "registry.sqlite"))
    clock, log = ManualClock(), MemoryLog()
    parts = Parts(clock=clock, wanted=Wanted(catalog=store.newest()))
    holder = Holder(log, clock, dict)
    changes = Changes(store, registry, log.admin(), parts, holder, clock)
    lives = [asyncio.create_task(each.live(parts)) for each in instances]
    await asyncio.wait_for(
        parts.wait_for(lambda: sum(map(len, parts.living().values())) == len(instances)), 60
    )
    try:
        yield World(changes=changes, store=store, parts=parts, clock=clock)
    finally:
        for each in lives:
            each.cancel()
        store.close()


def states(applied: Applied) -> Mapping[str, State]:
    return {each.instance: each.state for each in applied.rollout}


def broker(name: str, runs: Runs = lambda _: None) -> Instance:
    return Instance(name=name, part=PartName.BROKER, runs=runs)


def refuses_clicks(catalog: Catalog) -> str | None:
    return f"{refused(catalog.revision)}no clicks" if "clicks" in catalog.streams else None


def refuses_short_retention(catalog: Catalog) -> str | None:
    is_short = any(each.retention_seconds == 3600 for each in catalog.streams.values())
    return f"{refused(catalog.revision)}an hour is too short" if is_short else None


def test_every_instance_is_told_and_its_answer_shown(tmp_path: Path) -> None:
    async def run() -> Applied:
        transmitter = Instance(name="t", part=PartName.TRANSMITTER)
        async with world(tmp_path, broker("a"), broker("b"), transmitter) as here:
            return await here.apply(files(orders=""))

    applied = asyncio.run(run())
    assert (applied.revision, applied.changed, applied.live) == (1, True, True)
    assert states(applied) == dict.fromkeys("abt", State.LIVE)


def test_a_schema_of_files_is_as_long_as_one_of_a_call(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            text = PROTO + " " * SOURCE_BYTES_MAX
            bundle = files(orders="").model_copy(update={"texts": {"o.proto": text}})
            with pytest.raises(ProblemsError, match=r"bytes with its imports; 4194304 are allowed"):
                await here.apply(bundle)

    asyncio.run(run())


def test_a_revision_is_of_the_time_when_it_was_stored(tmp_path: Path) -> None:
    """Not of the call, which may have waited while others were stored."""

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            now = here.clock.move(timedelta(hours=1))
            await here.apply(files(orders=""))
            assert here.store.entry(Revision(1)).stamp.at == now != STAMP.at

    asyncio.run(run())


def test_of_what_is_stored_no_ending_controller_says_that_it_failed(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            here.parts.expected = lambda: [PartName.TRANSMITTER]
            applying = asyncio.create_task(here.apply(files(orders=""), wait_seconds=600))
            await here.parts.wait_for(lambda: here.parts.catalog.revision == 1)
            await here.parts.end()
            applied = await asyncio.wait_for(applying, 60)
            assert (applied.revision, applied.live) == (1, False)
            assert states(applied) == {"a": State.LIVE, "": State.LATE}
            with pytest.raises(UnavailableError, match="the controller ends: call again"):
                await here.apply(files(orders="", clicks=""))

    asyncio.run(run())


def test_what_is_on_trial_when_the_controller_ends_is_not_in_force(tmp_path: Path) -> None:
    async def run() -> None:
        a = broker("a", lambda _: "revision 1: the registry does not answer")
        async with world(tmp_path, a) as here:
            applying = asyncio.create_task(here.apply(files(orders=""), canary=1, wait_seconds=60))
            await here.parts.wait_for(lambda: here.parts.wanted.trial is not None)
            await here.parts.end()
            with pytest.raises(UnavailableError, match="revision 1 is tried: it is not in force"):
                await asyncio.wait_for(applying, 60)
            standing = here.store.standing()
            assert (standing.trial, standing.catalog.revision) == (None, 2), (
                "no restart waits for it"
            )
            assert not standing.catalog.streams
            assert "the controller ends" in here.store.entry(Revision(2)).stamp.message

    asyncio.run(run())


def test_what_is_only_taken_away_stays_so_when_the_controller_ends(tmp_path: Path) -> None:
    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(with_principals("eve: {publish: [orders]}", of=files(orders="")))
            a.runs = lambda _: "revision 2: the registry does not answer"
            less = with_principals("eve: {}", of=files(orders=""))
            applying = asyncio.create_task(here.apply(less, canary=1, wait_seconds=60))
            await here.parts.wait_for(lambda: here.parts.wanted.trial is not None)
            await here.parts.end()
            with pytest.raises(
                UnavailableError, match="revision 2 is tried: it stays: keys, rights"
            ):
                await asyncio.wait_for(applying, 60)
            standing = here.store.standing()
            assert (standing.trial, standing.catalog.revision) == (None, 2)

    asyncio.run(run())


def test_a_refusal_brings_back_what_was_before_and_says_who_refused_and_why(tmp_path: Path) -> None:
    async def run() -> None:
        a, b = broker("a"), broker("b", refuses_clicks)
        async with world(tmp_path, a, b) as here:
            first = await here.apply(files(orders=""))
            second = await here.apply(files(orders="", clicks=""))
            assert states(second) == {"a": State.LIVE, "b": State.REFUSED}
            assert [each.reason for each in second.rollout] == ["", "no clicks"]
            assert (second.revision, second.rolled_back, second.live) == (2, 3, False)
            before, after = here.store.at(first.revision), here.store.newest()
            assert after.model_copy(update={"revision": first.revision}) == before
            assert a.revision == b.revision == 3
            entry = here.store.entry(Revision(3))
            assert entry.stamp.source == "automatic rollback"
            assert entry.stamp.message == "broker 1 refuses revision 2: no clicks"
            again = await here.apply(files(orders=", retention: 1h"))
            assert (again.revision, again.live) == (4, True)

    asyncio.run(run())


def test_keys_of_a_refused_revision_are_not_taken_back(tmp_path: Path) -> None:
    """Every broker obeys them at once: a revoked key would come back by a stream that some part can not run."""
    digests = {"old": "0" * 63 + "a", "new": "1" * 63 + "a"}
    ops = '\nprincipals: {{ops: {{configure: ["*"], keys: [{{sha256: {}}}]}}}}\n'

    def with_key(key: str, bundle: Bundle) -> Bundle:
        texts = {name: text + ops.format(digests[key]) for name, text in bundle.files.items()}
        return bundle.model_copy(update={"files": texts})

    async def run() -> None:
        async with world(tmp_path, broker("a", refuses_clicks)) as here:
            await here.apply(with_key("old", files(orders="")))
            applied = await here.apply(with_key("new", files(orders="", clicks="")))
            newest = here.store.newest()
            assert applied.rolled_back == newest.revision == 3
            assert list(newest.streams) == ["orders"]
            kept = [key.sha256 for each in newest.principals.values() for key in each.keys]
            assert kept == [digests["new"]]

    asyncio.run(run())


def test_a_refused_revision_stays_where_that_is_asked_for_and_runs_as_far_as_it_can(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        a, b = broker("a"), broker("b", refuses_clicks)
        async with world(tmp_path, a, b) as here:
            await here.apply(files(orders=""))
            applied = await here.apply(files(orders="", clicks=""), auto_rollback=False)
            assert (applied.rolled_back, here.store.newest().revision) == (None, 2)
            assert states(applied) == {"a": State.LIVE, "b": State.REFUSED}
            assert not applied.live
            await here.parts.wait_for(lambda: (a.revision, b.revision) == (2, 2))
            again = await here.apply(files(orders=", retention: 1h", clicks=""))
            assert (again.rolled_back, again.revision) == (3 + 1, 3)

    asyncio.run(run())


def test_what_may_yet_come_is_late_and_takes_nothing_back(tmp_path: Path) -> None:
    def waits(catalog: Catalog) -> str | None:
        is_new = "clicks" in catalog.streams
        return f"revision {catalog.revision}: the registry does not answer" if is_new else None

    async def run() -> None:
        async with world(tmp_path, broker("a"), broker("b", waits)) as here:
            await here.apply(files(orders=""))
            applied = await here.apply(files(orders="", clicks=""), wait_seconds=0.0)
            assert applied.rolled_back is None
            assert states(applied)["b"] is State.LATE
            assert here.store.newest().revision == 2

    asyncio.run(run())


def test_a_table_that_is_taken_up_again_loses_no_rows_unasked(tmp_path: Path) -> None:
    """Nor by a rollback: whatever its delivery was called before."""

    def delivering(text: str) -> Bundle:
        bundle = files(orders="")
        declared = f"{bundle.files['bobr.yaml']}\ndeliveries: {{{text}}}"
        return bundle.model_copy(update={"files": {"bobr.yaml": declared}})

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(delivering("c: {from: orders, table: t, keep: 24h}"))
            await here.apply(delivering("c: {from: orders, table: t, keep: 9d}"))
            removed = Consent(allow_delete=True)
            await here.changes.apply(files(orders=""), removed, MANDATE, Care())
            with pytest.raises(ProblemsError, match=r"table 't' loses the rows"):
                await here.apply(delivering("cc: {from: orders, table: t, keep: 24h}"))
            await here.apply(delivering("new: {from: orders, table: u, keep: 24h}"))
            await here.rollback(1)
            (back,) = here.parts.catalog.deliveries.values()
            assert (back.name, back.keep_seconds) == ("c", 9 * 24 * 3600)
            # A rename removes nothing: nobody has to agree.
            await here.apply(delivering("d: {from: orders, table: bobr.t, keep: 9d}"))
            assert list(here.parts.catalog.deliveries) == ["d"]

    asyncio.run(run())


def test_a_canary_that_refuses_keeps_it_from_all_others(tmp_path: Path) -> None:
    async def run() -> None:
        a, b, c = broker("a", refuses_clicks), broker("b"), broker("c")
        async with world(tmp_path, a, b, c) as here:
            await here.apply(files(orders=""))
            applied = await here.apply(files(orders="", clicks=""), canary=1)
            assert states(applied) == {"a": State.REFUSED}
            assert applied.rolled_back == 3
            assert b.seen == c.seen == [0, 1, 3]
            assert a.seen == [0, 1, 2, 3]

    asyncio.run(run())


def test_what_a_canary_refuses_is_kept_from_all_others_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a revision there, and the newest: it is taken back as soon as that can be, and never told to the others."""

    async def run() -> None:
        a, b = broker("a", refuses_clicks), broker("b")
        async with world(tmp_path, a, b) as here:
            await here.apply(files(orders=""))
            standing, is_away = here.store.standing, True

            def asked() -> Standing:
                if is_away:
                    raise UnavailableError("the database is away")
                return standing()

            monkeypatch.setattr(here.store, "standing", asked)
            applied = await here.apply(files(orders="", clicks=""), canary=1)
            assert (states(applied), applied.rolled_back) == ({"a": State.REFUSED}, None)
            following = asyncio.create_task(here.changes.follow())
            is_away = False
            await asyncio.wait_for(here.parts.wait_for(lambda: b.revision == 3), 60)
            following.cancel()
            assert b.seen == [0, 1, 3]
            assert (a.revision, list(here.store.newest().streams)) == (3, ["orders"])

    asyncio.run(run())


@asynccontextmanager
async def left_on_trial(here: World, folder: Path) -> AsyncIterator[CatalogStore]:
    """Another controller has put revision 2, without streams, on trial, and ended; this one follows."""
    with closing(CatalogStore.in_file(folder / "catalog.sqlite")) as other:
        catalog = other.newest().model_copy(update={"streams": {}})
        other.commit(catalog, STAMP, 25.0)
        following = asyncio.create_task(here.changes.follow())
        try:
            yield other
        finally:
            following.cancel()


def test_what_another_controller_tries_is_not_in_force_here_and_hinders_changes(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            async with left_on_trial(here, tmp_path) as other:
                with pytest.raises(ConflictError, match="some instances try revision 2 now"):
                    await here.apply(files(orders=", retention: 1h"))
                other.keep(Revision(2))
                await asyncio.wait_for(here.parts.wait_for(lambda: a.revision == 2), 60)

    asyncio.run(run())


def test_a_trial_whose_controller_has_ended_is_taken_back(tmp_path: Path) -> None:
    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            async with left_on_trial(here, tmp_path) as other:
                async with asyncio.timeout(60):
                    while a.revision != 3:
                        here.clock.move(timedelta(seconds=1))
                        await asyncio.sleep(0.01)
                assert a.seen == [0, 1, 3]
                assert list(other.standing().catalog.streams) == ["orders"]
                stamp = other.entry(Revision(3)).stamp
                assert (stamp.author, stamp.source) == ("ann", "automatic rollback")
                assert "ended before it was decided" in stamp.message
                assert (await here.apply(files(orders=", retention: 1h"))).live

    asyncio.run(run())


def test_what_a_trial_gives_is_given_to_nobody_when_it_is_taken_back(tmp_path: Path) -> None:
    """And what it takes from somebody stays taken: a key that it revokes, a right."""
    eve = f'eve: {{configure: ["*"], keys: [{{sha256: {"0" * 63}b}}]}}'
    shop = f"shop: {{publish: [orders], read: ['*'], keys: [{{sha256: {'0' * 63}c}}]}}"
    less = "shop: {publish: ['*'], read: [orders]}"

    async def run() -> None:
        async with world(tmp_path, broker("a", refuses_clicks)) as here:
            await here.apply(with_principals(shop, of=files(orders="")))
            bundle = with_principals(less, eve, of=files(orders="", clicks=""))
            applied = await here.apply(bundle, canary=1)
            assert applied.rolled_back == 3
            principals = here.store.standing().catalog.principals
            assert set(principals) == {"ops", "shop"}
            told = principals[PrincipalName("shop")]
            assert (told.publish, told.read, told.keys) == (("orders",), ("orders",), ())

    asyncio.run(run())


def test_a_reason_that_no_database_takes_does_not_keep_a_refused_revision_in_force(
    tmp_path: Path,
) -> None:
    def refuses(catalog: Catalog) -> str | None:
        return f"{refused(Revision(2))}no \0 file" if catalog.revision == 2 else None

    async def run() -> None:
        async with world(tmp_path, broker("a", refuses)) as here:
            await here.apply(files(orders=""))
            applied = await here.apply(files(orders="", clicks=""))
            assert applied.rolled_back == 3
            assert here.store.entry(Revision(3)).stamp.message.endswith("no   file")

    asyncio.run(run())


def test_a_schema_that_some_parts_took_stays_known_when_it_is_taken_back(tmp_path: Path) -> None:
    more = PROTO.replace("event_id = 1;", "event_id = 1; string city = 2;")

    def refuses(catalog: Catalog) -> str | None:
        return f"{refused(Revision(2))}no room" if catalog.revision == 2 else None

    async def run() -> None:
        async with world(tmp_path, broker("a"), broker("b", refuses)) as here:
            await here.apply(files(orders=", partitions: 2"))
            bundle = files(orders=", partitions: 4").model_copy(update={"texts": {"o.proto": more}})
            applied = await here.apply(bundle)
            assert applied.rolled_back == 3
            (stream,) = here.store.newest().streams.values()
            assert (stream.schema_ids, stream.partitions) == ((2, 1), 4)

    asyncio.run(run())


def test_a_trial_lasts_a_minute_and_ten_seconds_at_most(tmp_path: Path) -> None:
    """However long who asks would wait: no key is revoked meanwhile."""

    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            a.runs = lambda catalog: f"revision {catalog.revision}: the registry does not answer"
            applying = asyncio.create_task(
                here.apply(files(orders="", clicks=""), canary=1, wait_seconds=600.0)
            )
            await here.parts.wait_for(lambda: 2 in a.seen)
            trial = here.store.standing().trial
            applying.cancel()
            assert trial is not None
            assert trial.seconds == 70.0

    asyncio.run(run())


def test_who_follows_goes_on_when_the_database_answers_what_can_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            standing, asked = here.store.standing, 0

            def once_broken() -> Standing:
                nonlocal asked
                asked += 1
                if asked == 1:
                    raise BrokenError("a row was changed")
                return standing()

            monkeypatch.setattr(here.store, "standing", once_broken)
            async with left_on_trial(here, tmp_path) as other:
                other.keep(Revision(2))
                await asyncio.wait_for(here.parts.wait_for(lambda: a.revision == 2), 60)

    asyncio.run(run())


def test_who_decides_too_late_is_told_so(tmp_path: Path) -> None:
    """Another controller has taken the trial back meanwhile."""

    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            a.runs = lambda catalog: f"revision {catalog.revision}: the registry does not answer"
            applying = asyncio.create_task(here.apply(files(orders="", clicks=""), canary=1))
            await here.parts.wait_for(lambda: 2 in a.seen)
            with closing(CatalogStore.in_file(tmp_path / "catalog.sqlite")) as other:
                standing = other.standing()
                back = standing.catalog.model_copy(update={"revision": Revision(2)})
                other.take_back(back, STAMP)
            a.runs = lambda _: None
            a.revision = Revision(2)
            await here.parts.hear([a.word(1_000)], "configurator")
            with pytest.raises(
                ConflictError, match="tried for too long, and taken back: apply it again"
            ):
                await applying
            assert here.parts.catalog.revision == 1

    asyncio.run(run())


def test_a_refusal_of_what_was_decided_meanwhile_puts_it_in_force_for_nobody(
    tmp_path: Path,
) -> None:
    """The controller stood still, others took the trial back: what it gave to somebody is told to no other part."""
    eve = f'eve: {{configure: ["*"], keys: [{{sha256: {"0" * 63}b}}]}}'

    async def run() -> None:
        a, b = broker("a"), broker("b")
        async with world(tmp_path, a, b) as here:
            await here.apply(with_principals(of=files(orders="")))
            a.runs = lambda _: "revision 2: the registry does not answer"
            bundle = with_principals(eve, of=files(orders=""))
            applying = asyncio.create_task(here.apply(bundle, canary=1))
            await here.parts.wait_for(lambda: 2 in a.seen)
            with closing(CatalogStore.in_file(tmp_path / "catalog.sqlite")) as other:
                before = other.standing().catalog
                other.take_back(before.model_copy(update={"revision": Revision(2)}), STAMP)
            await here.parts.forget(["a"], "configurator")
            applied = await applying
            assert (states(applied), applied.rolled_back) == ({"a": State.REFUSED}, 3)
            assert (here.parts.catalog.revision, b.seen) == (3, [0, 1, 3])

    asyncio.run(run())


def test_a_refusal_decides_no_trial_of_another_revision(tmp_path: Path) -> None:
    """Of another controller's, which began after this one's revision was in force, and before a part refused that."""

    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            a.runs = lambda _: "revision 2: the registry does not answer"
            applying = asyncio.create_task(here.apply(files(orders="", clicks="")))
            await here.parts.wait_for(lambda: 2 in a.seen)
            with closing(CatalogStore.in_file(tmp_path / "catalog.sqlite")) as other:
                settings = Settings(log_level=LogLevel.DEBUG)
                tried = other.newest().model_copy(update={"settings": settings})
                other.commit(tried, STAMP, 25.0)
                standing = other.standing()
                a.error = f"{refused(Revision(2))}no clicks"
                await here.parts.hear([a.word(1_000)], "configurator")
                assert states(applied := await applying) == {"a": State.REFUSED}
                assert applied.rolled_back is None
                assert other.standing() == standing
            assert here.parts.catalog.settings.log_level is LogLevel.INFO

    asyncio.run(run())


def test_a_canary_that_ends_while_it_tries_keeps_it_from_all_others(tmp_path: Path) -> None:
    async def run() -> None:
        a, b = broker("a"), broker("b")
        async with world(tmp_path, a, b) as here:
            await here.apply(files(orders=""))
            a.runs = lambda _: "revision 2: the registry does not answer"
            applying = asyncio.create_task(here.apply(files(orders="", clicks=""), canary=1))
            await here.parts.wait_for(lambda: 2 in a.seen)
            await here.parts.forget(["a"], "configurator")
            applied = await applying
            assert states(applied) == {"a": State.REFUSED}
            assert applied.rolled_back == 3
            assert b.seen == [0, 1, 3]

    asyncio.run(run())


def test_after_a_canary_that_runs_it_all_others_follow(tmp_path: Path) -> None:
    async def run() -> None:
        a, b = broker("a"), broker("b")
        async with world(tmp_path, a, b) as here:
            applied = await here.apply(files(orders=""), canary=1)
            assert states(applied) == {"a": State.LIVE, "b": State.LIVE}
            assert here.parts.wanted.trial is None
            assert here.store.standing().trial is None

    asyncio.run(run())


def test_files_that_are_wrong_and_bases_that_are_past_change_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            with pytest.raises(ProblemsError, match="retention"):
                await here.apply(files(orders=", retention: 1s"))
            await here.apply(files(orders=""))
            await here.apply(files(orders=", retention: 1h"))
            with pytest.raises(ConflictError, match="made for revision 1, and 2 is in force"):
                await here.changes.apply(
                    files(orders=""), Consent(), MANDATE, Care(), base=Revision(1)
                )
            with pytest.raises(NotFoundError):
                await here.rollback(9)
            assert here.store.newest().revision == 2

    asyncio.run(run())


def test_a_rollback_keeps_partitions_that_were_added_since(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(files(orders=", partitions: 2"))
            await here.apply(files(orders=", partitions: 4, retention: 1h", clicks=""))
            applied = await here.rollback(1)
            newest = here.store.newest()
            assert applied.live
            assert [(each.name, each.partitions) for each in newest.streams.values()] == [
                ("orders", 4)
            ]
            assert newest.streams == here.parts.catalog.streams

    asyncio.run(run())


def test_a_rollback_removes_what_has_come_since_only_when_that_is_wanted(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(files(orders=""))
            await here.apply(files(orders=", retention: 1h", clicks=""))
            with pytest.raises(ProblemsError, match=r"clicks: it was not there then.*allow_delete"):
                await here.rollback(1, allow_delete=False)
            assert here.store.newest().revision == 2
            await here.apply(files(orders=", retention: 2h", clicks=""))
            await here.rollback(2, allow_delete=False)
            await here.rollback(1)
            assert list(here.store.newest().streams) == ["orders"]

    asyncio.run(run())


def test_a_rollback_resumes_nothing_that_is_paused(tmp_path: Path) -> None:
    def delivered(bundle: Bundle, flush: str) -> Bundle:
        lines = f"\ndeliveries:\n  d: {{from: orders, table: t, flush: {flush}}}\n"
        return bundle.model_copy(
            update={"files": {name: text + lines for name, text in bundle.files.items()}}
        )

    def paused(catalog: Catalog) -> Catalog:
        (delivery,) = catalog.deliveries.values()
        stopped = delivery.model_copy(update={"paused": True})
        return catalog.model_copy(update={"deliveries": {delivery.name: stopped}})

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(delivered(files(orders=""), "1s"))
            await here.apply(delivered(files(orders=""), "2s"))
            await here.changes.make(paused, MANDATE)
            await here.rollback(1, allow_delete=False)
            (delivery,) = here.store.newest().deliveries.values()
            assert (delivery.paused, delivery.flush_seconds) == (True, 1)

    asyncio.run(run())


def with_principals(*lines: str, of: Bundle) -> Bundle:
    """The files, and who may do what beside somebody who may do everything."""
    ops = f'ops: {{configure: ["*"], keys: [{{sha256: {"0" * 63}a}}]}}'
    text = "\nprincipals:\n" + "\n".join(f"  {line}" for line in (ops, *lines))
    return of.model_copy(update={"files": {name: each + text for name, each in of.files.items()}})


SHOP = "shop: {publish: [orders, clicks], read: [clicks, 'clicks*']}"


def test_a_rollback_leaves_no_rights_on_streams_that_go(tmp_path: Path) -> None:
    """A principal that names a stream which is not there would be a fault of every change after it."""

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(with_principals(of=files(orders="")))
            await here.apply(with_principals(SHOP, of=files(orders="", clicks="")))
            await here.rollback(1)
            await here.changes.make(revoked, MANDATE)
            shop = here.store.newest().principals[PrincipalName("shop")]
            assert (shop.publish, shop.read, shop.owner) == (("orders",), ("clicks*",), "files")

    asyncio.run(run())


def test_nor_does_one_that_a_part_brings_about(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a", refuses_clicks)) as here:
            await here.apply(with_principals(of=files(orders="")))
            applied = await here.apply(with_principals(SHOP, of=files(orders="", clicks="")))
            assert applied.rolled_back == 3
            assert list(check_catalog(here.store.newest())) == []
            assert PrincipalName("shop") in here.store.newest().principals

    asyncio.run(run())


def revoked(catalog: Catalog) -> Catalog:
    """Without the keys of anybody but ops."""
    principals = {
        name: each if name == "ops" else each.model_copy(update={"keys": ()})
        for name, each in catalog.principals.items()
    }
    return catalog.model_copy(update={"principals": principals})


def test_what_is_wrong_already_keeps_no_key_from_being_revoked(tmp_path: Path) -> None:
    """Such as two deliveries of one table, that a former version let in."""

    def one_table(catalog: Catalog) -> Catalog:
        some = {
            DeliveryName(name): Delivery.model_validate(
                {"name": name, "from": "orders", "table": "orders"}
            )
            for name in ("a", "b")
        }
        return catalog.model_copy(update={"deliveries": some})

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            shop = f"shop: {{publish: [orders], keys: [{{sha256: {'1' * 63}a}}]}}"
            await here.apply(with_principals(shop, of=files(orders="")))
            with pytest.raises(ProblemsError, match="duplicate-table"):
                await here.changes.make(one_table, MANDATE)
            here.store.commit(one_table(here.store.newest()), STAMP)
            await here.parts.publish(here.store.newest())
            await here.changes.make(revoked, MANDATE)
            assert here.store.newest().principals[PrincipalName("shop")].keys == ()

    asyncio.run(run())


def test_a_part_of_which_none_speaks_is_waited_for_and_late(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            here.parts.expected = lambda: [PartName.BROKER, PartName.TRANSMITTER]
            applied = await here.apply(files(orders=""), wait_seconds=0.0)
            assert ("transmitter", "", State.LATE) in [
                (each.part, each.instance, each.state) for each in applied.rollout
            ]
            assert not applied.live
            applying = asyncio.create_task(here.apply(files(orders=", retention: 1h")))
            await here.parts.wait_for(lambda: here.parts.catalog.revision == 2)
            t = Instance(name="t", part=PartName.TRANSMITTER)
            life = asyncio.create_task(t.live(here.parts))
            applied = await applying
            assert states(applied) == {"a": State.LIVE, "t": State.LIVE}
            life.cancel()

    asyncio.run(run())


def test_a_rollback_takes_no_rows_from_a_table(tmp_path: Path) -> None:
    """It asks for no consent, as a file that says the same has to."""

    def kept(bundle: Bundle, keep: str) -> Bundle:
        lines = f"\ndeliveries:\n  d: {{from: orders, table: t, keep: {keep}, flush: 1s}}\n"
        texts = {name: text + lines for name, text in bundle.files.items()}
        return bundle.model_copy(update={"files": texts})

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(kept(files(orders=""), "30d"))
            await here.apply(kept(files(orders=", retention: 1h"), "90d"))
            await here.rollback(1)
            newest = here.store.newest()
            assert [each.retention_seconds for each in newest.streams.values()] == [7 * 86400]
            assert [each.keep_seconds for each in newest.deliveries.values()] == [90 * 86400]

    asyncio.run(run())


def test_a_rollback_takes_no_events_from_the_log(tmp_path: Path) -> None:
    """A longer retention stays, which the log keeps events by."""

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(files(orders=", retention: 1h"))
            await here.apply(files(orders=", retention: 7d, event_bytes_max: 100"))
            await here.rollback(1)
            (stream,) = here.store.newest().streams.values()
            assert (stream.retention_seconds, stream.event_bytes_max) == (7 * 86400, 1024 * 1024)

    asyncio.run(run())


def test_what_a_part_refuses_leaves_no_longer_retention(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a", refuses_clicks)) as here:
            await here.apply(files(orders=", retention: 1h"))
            applied = await here.apply(files(orders=", retention: 7d", clicks=""))
            (stream,) = here.store.newest().streams.values()
            assert (applied.rolled_back, stream.retention_seconds) == (3, 3600)

    asyncio.run(run())


def test_a_rollback_makes_no_other_stream_of_one(tmp_path: Path) -> None:
    """Events of the newer one would be in no table, and nobody said that they may go."""
    other = PROTO.replace("Order", "Click")

    def made(text: str) -> Bundle:
        return files(orders="").model_copy(update={"texts": {"o.proto": text}})

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(made(PROTO))
            await here.changes.make(without_streams, MANDATE)
            await here.apply(made(other))
            with pytest.raises(ProblemsError) as caught:
                await here.rollback(1)
            (problem,) = caught.value.problems
            assert (problem.path, problem.rule) == ("streams.orders.message", "message")
            assert problem.message.startswith("it carries s.Click, not s.Order: ")
            assert problem.message.endswith("remove first the one that is there now")
            assert here.store.newest().revision == 3
            await here.changes.make(without_streams, MANDATE)
            await here.rollback(1)
            assert [each.message for each in here.store.newest().streams.values()] == ["s.Order"]

    asyncio.run(run())


def without_streams(catalog: Catalog) -> Catalog:
    return catalog.model_copy(update={"streams": {}})


def test_a_canary_does_not_wait_for_configurators(tmp_path: Path) -> None:
    """They hand out what is in force, and run nothing."""
    asked = Instance(name="c", part=PartName.CONFIGURATOR)

    async def run() -> None:
        async with world(tmp_path, broker("a"), asked) as here:
            applied = await here.apply(files(orders=""), canary=1)
            assert states(applied) == {"a": State.LIVE, "c": State.LIVE}
            assert asked.tried == []

    asyncio.run(run())


def test_what_another_controller_puts_in_force_is_followed(tmp_path: Path) -> None:
    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            other = CatalogStore.in_file(tmp_path / "catalog.sqlite")
            catalog = other.newest()
            other.commit(catalog.model_copy(update={"streams": {}}), STAMP)
            other.close()
            following = asyncio.create_task(here.changes.follow())
            await asyncio.wait_for(here.parts.wait_for(lambda: a.revision == 2), 60)
            following.cancel()

    asyncio.run(run())


def test_who_was_behind_and_refuses_is_late_and_takes_nothing_back(tmp_path: Path) -> None:
    """It refuses what was put in force while it was away, whatever came after that."""

    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(files(orders=""))
            await here.apply(files(orders="", clicks=""))
            behind = Instance(
                name="t", part=PartName.TRANSMITTER, runs=refuses_clicks, revision=Revision(1)
            )
            applying = asyncio.create_task(
                here.apply(files(orders=", retention: 1h", clicks=""), wait_seconds=1.0)
            )
            await here.parts.wait_for(lambda: here.parts.catalog.revision == 3)
            life = asyncio.create_task(behind.live(here.parts))
            applied = await applying
            assert states(applied) == {"a": State.LIVE, "t": State.LATE}
            assert [each.reason for each in applied.rollout] == ["", "no clicks"]
            assert (applied.rolled_back, here.store.newest().revision) == (None, 3)
            await here.parts.wait_for(lambda: behind.revision == 3)
            life.cancel()

    asyncio.run(run())


def test_who_comes_back_runs_what_stays_as_far_as_it_can(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, broker("a")) as here:
            await here.apply(files(orders=""))
            await here.apply(files(orders="", clicks=""))
            back = Instance(name="t", part=PartName.TRANSMITTER, runs=refuses_clicks)
            life = asyncio.create_task(back.live(here.parts))
            await here.parts.wait_for(lambda: back.revision == 2)
            back.runs = refuses_short_retention
            applied = await here.apply(files(orders=", retention: 1h", clicks=""))
            assert (applied.rolled_back, states(applied)["t"]) == (4, State.REFUSED)
            life.cancel()

    asyncio.run(run())


@dataclass
class Meanwhile:
    """A change that a part has refused, and that waits for another part; and a store that another controller has."""

    here: World
    other: CatalogStore
    applying: asyncio.Task[Applied]
    following: asyncio.Task[None] | None = None

    async def ends(self) -> Applied:
        """The other part answers; from then on what other controllers do is followed."""
        t = Instance(name="t", part=PartName.TRANSMITTER)
        life = asyncio.create_task(t.live(self.here.parts))
        applied = await self.applying
        life.cancel()
        self.here.parts.expected = tuple
        self.following = asyncio.create_task(self.here.changes.follow())
        return applied


@asynccontextmanager
async def refused_meanwhile(
    here: World, folder: Path, by: Instance, bundle: Bundle
) -> AsyncIterator[Meanwhile]:
    here.parts.expected = lambda: [PartName.BROKER, PartName.TRANSMITTER]
    applying = asyncio.create_task(here.apply(bundle, wait_seconds=60.0))
    await here.parts.wait_for(lambda: by.error is not None)
    with closing(CatalogStore.in_file(folder / "catalog.sqlite")) as other:
        meanwhile = Meanwhile(here=here, other=other, applying=applying)
        try:
            yield meanwhile
        finally:
            if meanwhile.following is not None:
                meanwhile.following.cancel()


SHOP_WITH_KEY = f"shop: {{publish: [orders], keys: [{{sha256: {'1' * 63}a}}]}}"


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_is_refused_while_another_controller_tries_something_is_taken_back_afterwards(
    tmp_path: Path, *, is_kept: bool
) -> None:
    """That is not decided by it, and what was revoked meanwhile stays so, and is obeyed at once."""

    def debug(catalog: Catalog) -> Catalog:
        return catalog.model_copy(update={"settings": Settings(log_level=LogLevel.DEBUG)})

    async def run() -> None:
        a = broker("a", refuses_clicks)
        async with world(tmp_path, a) as here:
            await here.apply(with_principals(SHOP_WITH_KEY, of=files(orders="")))
            bundle = with_principals(SHOP_WITH_KEY, of=files(orders="", clicks=""))
            async with refused_meanwhile(here, tmp_path, a, bundle) as meanwhile:
                other = meanwhile.other
                other.commit(revoked(other.newest()), STAMP)
                other.commit(debug(other.newest()), STAMP, 25.0)
                applied = await meanwhile.ends()
                assert applied.rolled_back is None
                assert "later: some instances try revision 4 now" in (applied.stays or "")
                await asyncio.wait_for(here.parts.wait_for(lambda: a.revision == 3), 60)
                standing = other.standing()
                assert standing.trial is not None
                assert standing.catalog.revision == here.parts.catalog.revision == 3
                if is_kept:
                    other.keep(Revision(4))
                last = 5 if is_kept else 6
                async with asyncio.timeout(60):
                    while here.parts.catalog.revision < last:
                        here.clock.move(timedelta(seconds=1))
                        await asyncio.sleep(0.01)
                newest = other.standing().catalog
                assert (newest.revision, list(newest.streams)) == (last, ["orders"])
                assert newest.principals[PrincipalName("shop")].keys == ()
                assert (newest.settings.log_level is LogLevel.DEBUG) == is_kept

    asyncio.run(run())


def test_what_others_need_by_now_is_not_taken_back(tmp_path: Path) -> None:
    """It stays, settled: without it nothing that is asked for later would be sound."""

    async def run() -> None:
        a = broker("a", refuses_clicks)
        async with world(tmp_path, a) as here:
            await here.apply(files(orders=""))
            async with refused_meanwhile(
                here, tmp_path, a, files(orders="", clicks="")
            ) as meanwhile:
                newest = meanwhile.other.newest()
                made = Delivery.model_validate({"name": "c", "from": "clicks", "table": "c"})
                with_one = newest.model_copy(update={"deliveries": {made.name: made}})
                meanwhile.other.commit(with_one, STAMP)
                applied = await meanwhile.ends()
                assert (applied.rolled_back, applied.live) == (None, False)
                assert "see to it: deliveries.c.from: there is no stream" in (applied.stays or "")
                await asyncio.wait_for(here.parts.wait_for(lambda: a.revision == 3), 60)
                newest = meanwhile.other.newest()
                assert (newest.revision, list(check_catalog(newest))) == (3, [])
                assert list(newest.streams) == ["orders", "clicks"]

    asyncio.run(run())


def test_a_trial_that_another_controller_has_taken_back_is_told_to_nobody(tmp_path: Path) -> None:
    """Though all that it changed is who may do what, which is not looked for in what followed it."""
    eve = f"eve: {{publish: ['*'], keys: [{{sha256: {'1' * 63}b}}]}}"

    async def run() -> None:
        a, b = broker("a"), broker("b")
        async with world(tmp_path, a, b) as here:
            await here.apply(with_principals(of=files(orders="")))
            before = here.store.newest()
            a.runs = lambda catalog: f"revision {catalog.revision}: the registry does not answer"
            bundle = with_principals(eve, of=files(orders=""))
            applying = asyncio.create_task(here.apply(bundle, canary=1))
            await here.parts.wait_for(lambda: 2 in a.seen)
            with closing(CatalogStore.in_file(tmp_path / "catalog.sqlite")) as other:
                other.take_back(before.model_copy(update={"revision": Revision(2)}), STAMP)
            a.runs = lambda catalog: f"{refused(Revision(2))}no" if catalog.revision == 2 else None
            a.seen.append(NOTHING_YET)
            await here.parts.wake()
            applied = await applying
            assert (applied.rolled_back, applied.stays) == (3, None)
            assert (here.parts.catalog.revision, b.seen) == (3, [0, 1, 3])
            assert list(here.parts.catalog.principals) == ["ops"]

    asyncio.run(run())


def test_who_takes_a_key_away_waits_for_no_more_than_the_change_that_runs(tmp_path: Path) -> None:
    """However many others wait; a pause goes before those, too. One who gives up waiting holds up nobody."""
    keys = with_principals(SHOP_WITH_KEY, of=files(orders=""))
    made = f"principals: {{x: {{keys: [{{sha256: {'2' * 63}a}}]}}}}"

    def debug(catalog: Catalog) -> Catalog:
        return catalog.model_copy(update={"settings": Settings(log_level=LogLevel.DEBUG)})

    async def run() -> None:
        a = broker("a")
        async with world(tmp_path, a) as here:
            turns = here.changes.turns
            await here.apply(keys)
            a.runs = lambda catalog: f"revision {catalog.revision}: the registry does not answer"
            others = Bundle(files={"x.yaml": f"owner: x\n{made}\n"})
            waiting = [asyncio.create_task(here.apply(others, canary=1, wait_seconds=60.0))]
            await here.parts.wait_for(lambda: 2 in a.seen)
            waiting += [asyncio.create_task(here.apply(others)) for _ in range(3)]
            gone = asyncio.create_task(here.changes.make(debug, MANDATE, turns.pauses))
            pausing = asyncio.create_task(here.changes.make(debug, MANDATE, turns.pauses))
            revoking = asyncio.create_task(here.changes.make(revoked, MANDATE, turns.keys))
            await asyncio.sleep(0)
            gone.cancel()
            a.runs = lambda _: None
            a.seen.append(NOTHING_YET)
            await here.parts.wake()
            async with asyncio.timeout(60):
                assert (await revoking).revision == 3
                assert (await pausing).revision == 4
                assert [(await each).revision for each in waiting] == [2, 5, 5, 5]

    asyncio.run(run())
