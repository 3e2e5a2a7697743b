"""A part's line to real configurators, over real gRPC: what it is told, what it says, and what it starts with."""

import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bobr.catalog import Catalog, Principal, Settings
from bobr.catalog.model import LogLevel
from bobr.errors import UnavailableError
from bobr.ids import PrincipalName, Revision, StreamName
from bobr.runtime import control as control_module
from bobr.runtime import line as line_module
from bobr.runtime.control import ControlLine
from bobr.runtime.line import _Words
from bobr.runtime.revisions import Revisions
from bobr.runtime.rpc import Peers
from bobr.runtime.secret import new_secret
from bobr.runtime.words import PartName
from bobr.testing.rollout import FIRST, Rollout

SECOND, THIRD = (Catalog(revision=Revision(number)) for number in (2, 3))
NOBODY = Peers(addresses=("127.0.0.1:1",), secret="any")
PATIENCE = 60.0


@dataclass(slots=True)
class Part:
    """What a part does with its line: it writes down what it is told."""

    applied: list[Revision] = field(default_factory=list)
    refused: Collection[Revision] = ()
    refused_when_new: Collection[Revision] = ()
    flushes: int = 0
    may_apply: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_apply.set()

    def apply(self, catalog: Catalog, *, settled: bool) -> None:
        assert self.may_apply.wait(PATIENCE)
        if catalog.revision in (
            self.refused if settled else (*self.refused, *self.refused_when_new)
        ):
            raise UnavailableError("the registry is away")
        self.applied.append(catalog.revision)

    def report(self) -> dict[str, object]:
        return {"streams": {"orders": {"accepted": len(self.applied)}}}

    def flush(self) -> None:
        self.flushes += 1


@contextmanager
def line(peers: Peers, part: Part, disk: Path) -> Iterator[ControlLine]:
    control = ControlLine(
        peers, PartName.BROKER, part.apply, part.report, Revisions(disk), flush=part.flush
    )
    control.start()
    try:
        yield control
    finally:
        part.may_apply.set()
        control.close()


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with Rollout(tmp_path / "configurators", configurators=2) as rollout:
        yield rollout


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "revisions"


def kept(disk: Path, *catalogs: Catalog) -> None:
    for catalog in catalogs:
        assert Revisions(disk).write(catalog)


def test_each_catalog_is_applied_once_and_acknowledged(rollout: Rollout, disk: Path) -> None:
    part = Part()
    with line(rollout.peers(), part, disk) as control:
        assert control.wait_ready(threading.Event())
        rollout.said(lambda word: word.revision == 1)
        (before,) = rollout.voices()
        rollout.publish(SECOND)
        rollout.said(lambda word: word.revision == 2)
        orders = StreamName("orders")
        rollout.said(lambda word: word.report.streams[orders].accepted == 2)
        assert [word.instance for word in rollout.voices()] == [before.instance]
    assert part.applied == [1, 2]
    rollout.until(lambda: not rollout.voices())  # it has ended, and nobody waits for it


def test_a_catalog_that_can_not_be_applied_is_refused_and_the_last_one_stays(
    rollout: Rollout, disk: Path
) -> None:
    part = Part(refused={Revision(2)})
    with line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.revision == 1)
        rollout.publish(SECOND)
        said = "revision 2: the registry is away"
        rollout.said(lambda word: (word.revision, word.error) == (1, said))
        rollout.publish(THIRD)
        rollout.said(lambda word: (word.revision, word.error) == (3, None))
    assert part.applied == [1, 3]


def test_a_refused_catalog_is_tried_again(rollout: Rollout, disk: Path) -> None:
    part = Part(refused={Revision(1)})
    with line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.error is not None)
        part.refused = ()
        rollout.said(lambda word: (word.revision, word.error) == (1, None))


def test_what_stays_in_force_is_run_as_far_as_it_can_be(rollout: Rollout, disk: Path) -> None:
    part = Part(refused_when_new={Revision(2)})
    with line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.revision == 1)
        rollout.publish(SECOND)
        rollout.said(lambda word: word.error is not None)
        assert part.applied == [1]
        rollout.settle()
        rollout.said(lambda word: (word.revision, word.error) == (2, None))
    assert part.applied == [1, 2]


def test_what_it_ran_before_stays(disk: Path) -> None:
    kept(disk, FIRST)
    part = Part(refused_when_new={Revision(1)})
    with line(NOBODY, part, disk) as control:
        assert control.wait_ready(threading.Event())
    assert part.applied == [1]


def test_a_flush_order_is_carried_out_and_told(rollout: Rollout, disk: Path) -> None:
    part = Part()
    with line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.revision == 1)
        number = rollout.order_flush()
        rollout.said(lambda word: word.flushed == number)
    assert part.flushes == 1


def test_a_part_that_never_ran_anything_waits_and_can_be_asked_to_end(
    rollout: Rollout, disk: Path
) -> None:
    rollout.stop_configurator(0)
    part = Part()
    with line(rollout.peers(0), part, disk) as control:
        assert not control.wait_ready(stopped())
        rollout.start_configurator(0)
        assert control.wait_ready(threading.Event())
    assert part.applied == [1]


def test_a_part_of_another_system_is_idle_and_says_why_once(rollout: Rollout, disk: Path) -> None:
    stranger = replace(rollout.peers(), secret=new_secret())
    part = Part()
    with capture_logs() as lines, line(stranger, part, disk) as control:
        while not lines:
            assert not control.wait_ready(stopped())
        rollout.order_flush()  # as long as that, over all tries
        rollout.until(lambda: not rollout.voices())
    assert {each["event"] for each in lines} == {"the configurator does not hear us"}
    assert part.applied == []


def test_it_starts_with_what_it_ran_last_though_nobody_answers(disk: Path) -> None:
    kept(disk, FIRST, SECOND)
    part = Part()
    with line(NOBODY, part, disk) as control:
        assert control.wait_ready(threading.Event())
    assert part.applied == [2]


def test_what_it_ran_is_on_its_disk(rollout: Rollout, disk: Path) -> None:
    with line(rollout.peers(), Part(), disk):
        rollout.said(lambda word: word.revision == 1)
        rollout.publish(SECOND)
        rollout.said(lambda word: word.revision == 2)
        while next(Revisions(disk).newest_first(), None) != SECOND:
            rollout.said(lambda word: word.revision == 2)
    again = Part()
    with line(NOBODY, again, disk) as control:
        assert control.wait_ready(threading.Event())
    assert again.applied == [2]


@pytest.fixture
def written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no catalog is passed over because another came within the second."""
    monkeypatch.setattr(control_module, "WRITE_SECONDS", 0.0)


def revisions_on(disk: Path) -> list[Revision]:
    return [catalog.revision for catalog in Revisions(disk).newest_first()]


def tried(rollout: Rollout, catalog: Catalog) -> None:
    """By the one broker that there is; it says so again after it could have been written."""
    (voice,) = rollout.voices()
    rollout.propose(catalog, {voice.instance})
    rollout.said(lambda word: word.revision == catalog.revision)
    (voice,) = rollout.voices()
    rollout.said(lambda word: word.number > voice.number)


@pytest.mark.usefixtures("written_at_once")
def test_what_it_tries_is_on_its_disk_when_it_is_in_force_and_not_before(
    rollout: Rollout, disk: Path
) -> None:
    part = Part()
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        tried(rollout, SECOND)
        assert revisions_on(disk) == [1]
        rollout.publish(SECOND)
        rollout.until(lambda: revisions_on(disk) == [2, 1])
    assert part.applied == [1, 2], "it runs on"


@pytest.mark.usefixtures("written_at_once")
def test_what_was_taken_back_is_never_on_its_disk(rollout: Rollout, disk: Path) -> None:
    part = Part()
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        tried(rollout, SECOND)
        rollout.publish(THIRD)
        rollout.until(lambda: revisions_on(disk) == [3, 1])
    assert part.applied == [1, 2, 3]


@pytest.mark.usefixtures("written_at_once")
def test_what_it_tries_stays_off_its_disk_when_it_can_not_run_what_comes_instead(
    rollout: Rollout, disk: Path
) -> None:
    part = Part(refused={Revision(3)})
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        tried(rollout, SECOND)
        rollout.publish(THIRD)
        rollout.said(lambda word: word.error is not None)
        (voice,) = rollout.voices()
        rollout.said(lambda word: word.number > voice.number)
        assert revisions_on(disk) == [1]


def test_what_is_in_force_is_written_while_it_tries_another(rollout: Rollout, disk: Path) -> None:
    """It may revoke a key, and a trial may last longer than it would be written in."""
    part = Part()
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        rollout.publish(SECOND)
        rollout.said(lambda word: word.revision == 2)
        tried(rollout, THIRD)
        rollout.until(lambda: revisions_on(disk)[:1] == [2])


@pytest.mark.usefixtures("written_at_once")
def test_a_trial_that_was_kept_while_it_had_no_configurator_is_on_its_disk(
    rollout: Rollout, disk: Path
) -> None:
    """It is asked anew by a configurator that does not know that anything was tried."""
    part = Part()
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        tried(rollout, SECOND)
        rollout.stop_configurator(0)
        rollout.publish(SECOND)
        rollout.start_configurator(0)
        rollout.until(lambda: revisions_on(disk) == [2, 1])
    assert part.applied == [1, 2]


@pytest.mark.usefixtures("written_at_once")
def test_what_it_tries_is_taken_back_by_those_who_were_started_anew_and_was_on_no_disk(
    rollout: Rollout, disk: Path
) -> None:
    part = Part()
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        tried(rollout, SECOND)
        rollout.stop_controller()
        rollout.stop_configurator(0)
        rollout.start_configurator(0)
        rollout.start_controller(FIRST)
        rollout.said(lambda word: word.revision == 1)
        assert revisions_on(disk) == [1]
    assert part.applied == [1, 2, 1]


def test_it_starts_with_the_one_before_when_the_last_is_refused(disk: Path) -> None:
    kept(disk, FIRST, SECOND, THIRD)
    part = Part(refused={Revision(2), Revision(3)})
    with capture_logs() as lines, line(NOBODY, part, disk) as control:
        assert control.wait_ready(threading.Event())
    assert part.applied == [1]
    refused = [each for each in lines if each["event"] == "a kept catalog is refused"]
    assert [each["revision"] for each in refused] == [3, 2]


def test_where_keys_may_have_been_revoked_it_waits_until_it_is_told(
    rollout: Rollout, disk: Path
) -> None:
    """The newest on its disk is damaged, and who had keys then is not known: nobody is to be heard by older ones."""
    ops = Principal(name=PrincipalName("ops"), configure=("*",))
    kept(disk, SECOND, THIRD.model_copy(update={"principals": {ops.name: ops}}))
    max(disk.glob("*.catalog")).write_bytes(b"")
    rollout.stop_configurator(0)
    part = Part()
    with line(rollout.peers(0), part, disk) as control:
        assert not control.wait_ready(stopped())
        assert control.principals is None
        rollout.start_configurator(0)
        assert control.wait_ready(threading.Event())
    assert part.applied == [1]


def test_what_is_on_its_disk_is_not_applied_again_when_it_is_in_force(
    rollout: Rollout, disk: Path
) -> None:
    kept(disk, FIRST)
    part = Part()
    with line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.revision == 1)
        rollout.publish(SECOND)
        rollout.said(lambda word: word.revision == 2)
    assert part.applied == [1, 2]


def test_what_is_in_force_wins_over_its_disk_though_it_is_older(
    rollout: Rollout, disk: Path
) -> None:
    kept(disk, Catalog(revision=Revision(7)))
    part = Part()
    with capture_logs() as lines, line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.revision == 1)
    assert part.applied == [7, 1]
    assert "an older revision is in force: it is taken" in [each["event"] for each in lines]


def test_of_two_catalogs_with_one_number_that_in_force_wins(rollout: Rollout, disk: Path) -> None:
    """A database was put back, and has gone on to the same number."""
    other = Catalog(revision=Revision(1), settings=Settings(log_level=LogLevel.DEBUG))
    kept(disk, other)
    part = Part()
    with line(rollout.peers(), part, disk):
        while len(part.applied) < 2:
            rollout.said(lambda word: word.revision == 1)
        while next(Revisions(disk).newest_first()) != FIRST:
            rollout.said(lambda word: word.revision == 1)


def test_it_calls_again_and_is_the_same_to_all(rollout: Rollout, disk: Path) -> None:
    part = Part()
    with line(rollout.peers(0), part, disk):
        rollout.said(lambda word: word.revision == 1)
        (before,) = rollout.voices()
        rollout.stop_configurator(0)
        rollout.publish(SECOND)
        rollout.start_configurator(0)
        rollout.said(lambda word: word.revision == 2)
        assert [word.instance for word in rollout.voices()] == [before.instance]
    assert part.applied == [1, 2]


def test_it_goes_to_the_next_when_its_configurator_is_gone(rollout: Rollout, disk: Path) -> None:
    part = Part()
    with line(rollout.peers(0, 1), part, disk):
        rollout.said(lambda word: word.revision == 1)
        rollout.stop_configurator(0)
        rollout.publish(SECOND)
        rollout.said(lambda word: word.revision == 2)
    assert part.applied == [1, 2]


def test_a_configurator_that_does_not_answer_is_left_for_the_next(
    rollout: Rollout, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped, say: the kernel takes connections for it."""
    monkeypatch.setattr(line_module, "SILENCE_SECONDS", 0.5)
    part = Part()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        there = f"127.0.0.1:{mute.getsockname()[1]}"
        peers = replace(rollout.peers(), addresses=(there, *rollout.peers(1).addresses))
        with line(peers, part, disk):
            rollout.said(lambda word: word.revision == 1)
            mute.accept()[0].close()  # it had been called first


def test_a_part_that_is_busy_with_a_catalog_goes_on_speaking(rollout: Rollout, disk: Path) -> None:
    part = Part()
    with line(rollout.peers(), part, disk):
        rollout.said(lambda word: word.revision == 1)
        part.may_apply.clear()
        rollout.publish(SECOND)
        (before,) = rollout.voices()
        rollout.said(lambda word: word.number >= before.number + 3)
        assert [word.revision for word in rollout.voices()] == [1]
        part.may_apply.set()
        rollout.said(lambda word: word.revision == 2)


def test_a_disk_that_takes_nothing_does_not_stop_it(rollout: Rollout, disk: Path) -> None:
    disk.write_text("a file where the folder should be")
    with capture_logs() as lines, line(rollout.peers(), Part(), disk):
        rollout.publish(SECOND)
        rollout.said(lambda word: word.revision == 2)
        while "the catalog can not be kept on disk" not in [each["event"] for each in lines]:
            rollout.said(lambda word: word.revision == 2)


def test_of_words_that_wait_the_last_one_is_said() -> None:
    words = _Words(b"first")
    assert next(words) == b"first"
    words.put(b"second")
    words.put(b"third")
    words.end()
    assert list(words) == [b"third"]


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
