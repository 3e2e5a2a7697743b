"""Without the configurator, without the controller, without both: events go on into the tables, and parts start."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from bobr.runtime.control import ControlLine
from bobr.runtime.folder import Folder
from bobr.runtime.revisions import Revisions
from bobr.runtime.rpc import Peers
from bobr.runtime.secret import SECRET
from bobr.runtime.words import PartName
from bobr.testing.producer import LedgerProducer
from bobr.testing.rollout import FIRST, Rollout, changed
from bobr.testing.system import System
from bobr.testing.trial import Trial
from bobr.testing.ways import Publish, Way, http, unary

KILLS = 3
NOBODY = ("--control", "http://127.0.0.1:1", "--configurator", "127.0.0.1:1")

pytestmark = pytest.mark.slow


class Counted:
    """A way that knows how many connections there were."""

    def __init__(self, way: Way) -> None:
        self.connections = 0
        self._way = way

    def __call__(self, addresses: Mapping[str, str]) -> AbstractContextManager[Publish]:
        self.connections += 1
        return self._way(addresses)


def is_well_again(trial: Trial, name: str, pid: int) -> bool:
    state = trial.status()
    part = next(part for part in state["parts"] if part["part"] == name)
    return bool(state["well"] and part["pid"] != pid)


def processes(trial: Trial) -> list[tuple[int | None, int]]:
    parts = trial.system.running.parts
    return [(parts[name].pid, parts[name].restarts) for name in ("broker", "transmitter")]


def test_a_killed_configurator_disturbs_nobody(trial: Trial, chance: random.Random) -> None:
    """Not one connection, process or pipeline; and a change that comes next is run by all."""
    counted = Counted(unary)
    before = processes(trial)
    with trial.producer(per_call=20, way=counted) as producer:
        for kill in range(KILLS):
            producer.wait_for(producer.acknowledged + 20 * chance.randrange(5, 60))
            pid = trial.part("configurator")["pid"]
            os.kill(pid, signal.SIGKILL)
            producer.wait_for(producer.acknowledged + 20 * chance.randrange(5, 60))
            trial.wait_until(partial(is_well_again, trial, "configurator", pid))
            trial.deliver("--retention", f"{kill + 2}d")
            revisions = {part["revision"] for part in trial.status()["parts"]}
            assert revisions == {kill + 2}
        producer.wait_for(producer.acknowledged + 20)
    assert counted.connections == 1
    assert processes(trial) == before
    trial.assert_each_once(producer)
    delivery = trial.delivery()
    assert delivery["rows_committed"] == delivery["rows"], "by one pipeline, from first to last"


@contextmanager
def hanging(trial: Trial, *names: str) -> Iterator[None]:
    """Their processes are there, and take connections, and do nothing."""
    pids = [trial.part(name)["pid"] for name in names]
    with ExitStack() as going_on:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            going_on.callback(os.kill, pid, signal.SIGCONT)
        yield


def rows(trial: Trial) -> int:
    (found,) = trial.system.sql(f"select count(*) as n from {trial.stream}")
    return int(found["n"])


def kept(trial: Trial, part: str) -> bool:
    """Whether it has on its disk what it runs."""
    folder = Folder(root=trial.system.root)
    newest = next(Revisions(folder.revisions_of(part)).newest_first(), None)
    return newest is not None and trial.stream in newest.deliveries


def wait_kept(trial: Trial) -> None:
    for part in ("broker", "transmitter"):
        trial.wait_until(partial(kept, trial, part))


def test_a_part_leaves_a_configurator_that_hangs_for_another(tmp_path: Path) -> None:
    """Its process is stopped in the middle of a call; connections to it stay."""
    applied: list[int] = []
    with Rollout(tmp_path / "other") as rollout, ExitStack() as ending:
        address = f"127.0.0.1:{free_port()}"
        child = System(root=tmp_path).start(
            *("serve", "configurator", "--grpc", address, "--relay", rollout.relay),
            env={**os.environ, SECRET: rollout.secret},
        )
        ending.enter_context(child)
        ending.callback(child.kill)
        rollout.until(lambda: len(rollout.voices(PartName.CONFIGURATOR)) == 2)
        peers = Peers(addresses=(address, *rollout.peers().addresses), secret=rollout.secret)
        line = ControlLine(
            *(peers, PartName.BROKER, lambda catalog: applied.append(catalog.revision), dict),
            Revisions(tmp_path / "part"),
        )
        line.start()
        ending.callback(line.close)
        rollout.said(lambda word: word.revision == FIRST.revision)
        (first,) = rollout.parts.living()[PartName.BROKER]
        os.kill(child.pid, signal.SIGSTOP)
        rollout.publish(changed(FIRST))
        rollout.said(lambda word: word.revision == FIRST.revision + 1)
        (second,) = rollout.parts.living()[PartName.BROKER]
        assert second.word.instance == first.word.instance
        assert second.through != first.through
    assert applied == [1, 2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def test_broker_and_transmitter_start_and_deliver_while_all_others_hang(trial: Trial) -> None:
    wait_kept(trial)
    with trial.producer(per_call=20, way=unary) as producer:
        producer.wait_for(200)
        trial.system.flush()
        with hanging(trial, "controller", "configurator"):
            for name in ("broker", "transmitter"):
                pid = trial.system.running.parts[name].pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            known = producer.acknowledged
            producer.wait_for(known + 2000)
            trial.wait_until(lambda: rows(trial) >= known + 1000)
        trial.wait_until(lambda: trial.status()["well"])
        producer.wait_for(producer.acknowledged + 20)
    trial.assert_each_once(producer)
    assert [restarts for _, restarts in processes(trial)] == [1, 1]


def test_parts_serve_where_nobody_else_runs(trial: Trial) -> None:
    """Started by hand, with their disks and nothing else; afterwards all run again."""
    wait_kept(trial)
    with trial.producer(per_call=20, way=http) as producer:
        producer.wait_for(200)
    trial.assert_each_once(producer)
    trial.system.kill()
    environment = {**os.environ, SECRET: "any"}
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as ending:
        where = {"http": f"127.0.0.1:{listening.getsockname()[1]}"}
        commands = (
            ("broker", "--fd", str(listening.fileno()), "--grpc", "127.0.0.1:0"),
            ("transmitter",),
        )
        for command in commands:
            part = trial.system.start(
                *("serve", *command, *NOBODY),
                env=environment,
                pass_fds=(listening.fileno(),),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            ending.enter_context(part)
            ending.callback(part.terminate)
        again = LedgerProducer(trial.stream, trial.encode, lambda: where, per_call=20, way=http)
        again.acknowledged = again.sent = producer.sent
        with again:
            again.wait_for(producer.sent + 200)
        trial.wait_until(lambda: rows(trial) >= producer.sent + 200)
    trial.system.up()
    trial.wait_until(lambda: trial.status()["well"])
    trial.assert_each_once(again)
