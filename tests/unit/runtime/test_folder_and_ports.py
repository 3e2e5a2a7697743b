"""Taking a folder and ports: each refusal is one clear line."""

import socket
from pathlib import Path

import pytest

from bobr.errors import MisconfiguredError, UnavailableError
from bobr.runtime.folder import Folder, PartProcess, Running, read_running, take, write_running
from bobr.runtime.ports import is_answered, take_ports


def running(pid: int) -> Running:
    part = PartProcess(state="running", pid=1, restarts=2, last_exit="signal 9")
    return Running(pid=pid, ready=True, addresses={"http": "h:1"}, parts={"broker": part})


def test_a_folder_is_held_by_one_system(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path / "data")
    hold = take(folder)
    write_running(folder, running(4711))
    assert read_running(folder) == running(4711)
    with pytest.raises(MisconfiguredError, match="in use by process 4711"):
        take(folder)
    hold.close()
    with pytest.raises(UnavailableError, match="no system runs"):
        read_running(folder)  # the word is there still, but its writer is gone
    take(folder).close()


def test_a_new_folder_is_nothing_for_git(tmp_path: Path) -> None:
    """`bobr up` makes it in the repository where it is typed; one that is there may be the repository itself."""
    take(Folder(root=tmp_path / "new")).close()
    assert (tmp_path / "new" / ".gitignore").read_text() == "*\n"
    take(Folder(root=tmp_path)).close()
    assert not (tmp_path / ".gitignore").exists()


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MisconfiguredError, match="can not be used"):
        take(Folder(root=tmp_path / "file"))


def test_a_taken_port_is_named() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(MisconfiguredError, match=f"127.0.0.1:{port} can not be listened on"):
            take_ports("127.0.0.1", port)


def test_two_systems_can_not_have_one_port() -> None:
    ours = take_ports("127.0.0.1", 0)
    port = ours.http.getsockname()[1]
    with pytest.raises(MisconfiguredError, match=str(port)):
        take_ports("127.0.0.1", port)
    ours.close()


def test_a_port_is_answered_when_its_part_serves() -> None:
    ours = take_ports("127.0.0.1", 0)
    assert is_answered(ours.http)
    assert not is_answered(ours.grpc)
    ours.grpc.listen()
    assert is_answered(ours.grpc)
    ours.close()


@pytest.mark.parametrize(
    ("host", "are_exposed"),
    [
        *[(each, False) for each in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1")],
        *[(each, True) for each in ("0.0.0.0", "::")],
    ],
)
def test_ports_are_exposed_where_other_machines_reach_them(host: str, are_exposed: bool) -> None:
    try:
        ports = take_ports(host, 0)
    except MisconfiguredError:
        pytest.skip("this machine has no such address")
    assert ports.are_exposed == are_exposed
    ports.close()
