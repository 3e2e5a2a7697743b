"""Where a system can not be, or can not write any more: one clear line, and service again as soon as it can be."""

import json
import os
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx2
import pytest

from bobr.runtime.folder import Folder
from bobr.testing.system import BOBR, Done, System
from bobr.testing.trial import Trial
from bobr.testing.ways import unary
from bobr.v1 import broker_pb2 as wire

WITHOUT_PRIVILEGES = (
    () if os.geteuid() else ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
)
"""Root obeys the permissions of files, too, without this one."""
DISK_MB = 96
COUNT = 20_000
"""Events of 400 random letters: 8 MB, of which nothing can be packed into the room."""
ROOM_BYTES = 3 * 1024 * 1024

pytestmark = pytest.mark.slow
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts, or becomes another")


def assert_one_clear_line(done: Done, *words: str) -> None:
    assert done.status == 2, done
    assert "Traceback" not in done.out + done.err
    line = done.err.strip().splitlines()[-1]
    assert all(word in line for word in words), done.err


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_port_that_is_taken(tmp_path: Path, detach: tuple[str, ...]) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = str(stranger.getsockname()[1])
        done = System(root=tmp_path / "data").run("up", "--port", port, *detach)
        assert_one_clear_line(
            done, f"127.0.0.1:{port} can not be listened on", "choose another --port"
        )
        assert not (tmp_path / "data").exists(), "it would only puzzle whoever finds it"


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_folder_that_is_not_ours_to_write(tmp_path: Path, detach: tuple[str, ...]) -> None:
    tmp_path.chmod(0o555)
    where = ("--dir", str(tmp_path / "data"), "--port", "0")
    command = (*WITHOUT_PRIVILEGES, *BOBR, "up", *where, *detach)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    done = Done(status=ended.returncode, out=ended.stdout, err=ended.stderr)
    assert_one_clear_line(done, "data can not be used: Permission denied", "--dir")


@pytest.mark.parametrize("detach", [(), ("--detach",)])
@pytest.mark.parametrize("name", ["file", "file/data"])
def test_a_folder_that_is_a_file(tmp_path: Path, name: str, detach: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    done = System(root=tmp_path / name).run("up", "--port", "0", *detach)
    assert_one_clear_line(done, "can not be used: Not a directory: choose a folder with --dir")
    assert "room" not in done.err


@pytest.mark.parametrize("command", ["down", "status"])
def test_a_folder_that_is_not_ours_to_read(tmp_path: Path, command: str) -> None:
    """A system of somebody else's may run there."""
    (tmp_path / "lock").touch(mode=0)
    line = (*WITHOUT_PRIVILEGES, *BOBR, command, "--dir", str(tmp_path))
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    done = Done(status=ended.returncode, out=ended.stdout, err=ended.stderr)
    assert_one_clear_line(done, f"{tmp_path}/lock can not be read: Permission denied", "not known")


@as_root
def test_a_folder_that_became_read_only(tmp_path: Path, disk: Path) -> None:
    system = System(root=disk / "data")
    system.up()
    system.down()
    remount(disk, "ro")
    for detach in ((), ("--detach",)):
        assert_one_clear_line(system.run("up", "--port", "0", *detach), "Read-only file system")
    remount(disk, "rw")
    system.up()
    system.down()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of the test's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    System(root=folder / "data").run("down")
    subprocess.run(("umount", str(folder)), check=True)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(("mount", "-o", f"remount,{mode}", str(folder)), check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("ab") as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    os.write(file.fileno(), b"x" * size)
            except OSError:
                continue
    assert shutil.disk_usage(disk).free == 0
    return ballast


@as_root
def test_a_full_disk_at_the_start(disk: Path) -> None:
    fill(disk)
    system = System(root=disk / "data")
    for detach in ((), ("--detach",)):
        assert_one_clear_line(system.run("up", "--port", "0", *detach), "No space left on device")
    ballast = disk / "ballast"
    ballast.unlink()
    system.up()
    system.down()


def post(trial: Trial, body: bytes) -> httpx2.Response:
    return httpx2.post(
        f"http://{trial.addresses()['http']}/v1/streams/events/events",
        content=body,
        headers={"content-type": "application/json"},
        timeout=30.0,
        trust_env=False,
    )


def refused(trial: Trial) -> grpc.RpcError:
    request = wire.PublishRequest(stream="events", events=[trial.encode(1)] * 100)
    with unary(trial.addresses()) as publish, pytest.raises(grpc.RpcError) as error:
        next(publish(iter([request])))
    return error.value


@as_root
def test_a_disk_that_fills_up_and_has_room_again(tmp_path: Path, disk: Path) -> None:
    trial = Trial(system=System(root=disk / "data"), folder=tmp_path)
    trial.system.up()
    trial.deliver()
    before = trial.system.running
    with trial.producer(per_call=20) as producer:
        producer.wait_for(1_000)
        ballast = fill(disk)
        trial.wait_until(lambda: post(trial, b"{}").status_code == 429)
        acknowledged = producer.acknowledged
        answer = post(trial, b"{}")
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert "full" in answer.json()["error"]["message"]
        error = refused(trial)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "retry-after" in [entry.key for entry in error.trailing_metadata()]
        assert producer.acknowledged == acknowledged, "nothing is promised that is not on disk"
        assert_one_clear_line(deliver_other(trial), "full")
        trial.wait_until(lambda: not trial.status()["well"])
        told = trial.system.run("status")
        assert told.status == 1
        assert "disk full: free space under" in told.out
        ballast.unlink()
        producer.wait_for(acknowledged + 1_000)
    trial.assert_each_once(producer)
    assert trial.system.running == before, "no part was restarted"
    assert deliver_other(trial).status == 0
    trial.wait_until(lambda: bool(trial.status()["well"]))


def deliver_other(trial: Trial) -> Done:
    return trial.system.run("deliver", str(trial.folder / "trial.proto"), "--stream", "other")


@as_root
def test_a_file_goes_on_where_a_full_disk_ended_it(tmp_path: Path, disk: Path) -> None:
    """By what the command says alone, and without ids, each event is stored once."""
    system = System(root=disk / "data")
    system.up()
    trial = Trial(system=system, folder=tmp_path)
    trial.deliver()
    events = tmp_path / "events.ndjson"
    with events.open("w") as file:
        for number in range(COUNT):
            file.write(f'{{"number": {number}, "filling": "{os.urandom(200).hex()}"}}\n')
    ballast = fill(disk)
    os.truncate(ballast, ballast.stat().st_size - ROOM_BYTES)
    refused = tmp_path / "refused.ndjson"
    words = ("--timeout", "1", "--json", "--rejects", str(refused))
    ended = system.run("publish", "events", str(events), *words)
    counts = ended.json()
    done = counts["accepted"] + counts["rejected"]
    assert_one_clear_line(ended, "full", f"--skip {done} ")
    assert (0 < counts["accepted"] < COUNT, counts["unsure"]) == (True, 0)
    ballast.unlink()
    trial.wait_until(lambda: post(trial, b"[]").status_code == 200)
    system.ok("publish", "events", str(events), "--skip", str(done))
    again = "\n".join(
        json.dumps(json.loads(line)["event"]) for line in refused.read_text().splitlines()
    )
    system.ok("publish", "events", "-", stdin=again)
    system.flush()
    query = "select count(*) as n, count(distinct number) as numbers from events"
    assert system.sql(query) == [{"n": COUNT, "numbers": COUNT}]


@pytest.mark.parametrize("name", ["log.sqlite", "catalog.sqlite", "lake/catalog.db"])
def test_a_file_that_vanishes_under_a_running_system_ends_it(trial: Trial, name: str) -> None:
    """It would go on taking events that nobody finds again."""
    trial.deliver()
    with trial.producer(per_call=20, way=unary) as producer:
        producer.wait_for(1_000)
    trial.system.flush()
    supervisor = os.pidfd_open(trial.system.running.pid)
    lost = trial.system.root / name
    lost.rename(lost.with_suffix(".kept"))
    select.select([supervisor], [], [])
    os.close(supervisor)
    words = (trial.system.root / "logs" / "up.log").read_text()
    assert f"{lost} was removed or replaced" in words.strip().splitlines()[-1]
    lost.with_suffix(".kept").rename(lost)
    trial.system.up()
    trial.assert_each_once(producer)


def test_a_running_system_tells_again_where_it_runs(trial: Trial) -> None:
    before = trial.system.running
    Folder(root=trial.system.root).running.unlink()
    trial.wait_until(Folder(root=trial.system.root).running.exists)
    assert trial.system.running == before


def test_of_two_starts_at_once_each_says_its_own(tmp_path: Path) -> None:
    system = System(root=tmp_path / "data")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [system.start("up", "--port", "0", "--detach", **pipes) for _ in range(2)]
    words = {start.wait(): start.communicate() for start in both}
    system.down()
    assert sorted(words) == [0, 2]
    assert "bobr is up after" in words[0][0]
    assert "in use" not in "".join(words[0])
    assert "in use" in words[2][1]
    assert [path.name for path in (system.root / "logs").glob("up*")] == ["up.log"]
