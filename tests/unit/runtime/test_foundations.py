"""The databases of a running system are watched: one that is gone or replaced is named."""

import errno
from pathlib import Path

import pytest

from bobr.runtime.folder import Folder, Foundations


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(root=tmp_path)
    folder.lake.mkdir()
    for path in (folder.lock, folder.log, folder.registry, folder.lake / "catalog.db"):
        path.write_bytes(b"")
    return folder


def test_what_stays_is_not_lost(folder: Folder) -> None:
    watched = Foundations(folder)
    assert watched.lost() is None
    folder.log.write_bytes(b"more")
    folder.catalog.write_bytes(b"made later")
    (folder.root / "log.sqlite-wal").write_bytes(b"")
    assert watched.lost() is None
    (folder.root / "log.sqlite-wal").unlink()
    assert watched.lost() is None


@pytest.mark.parametrize("name", ["lock", "log.sqlite", "registry.sqlite", "lake/catalog.db"])
def test_what_is_removed_or_replaced_is_lost(folder: Folder, name: str) -> None:
    path = folder.root / name
    watched = Foundations(folder)
    assert watched.lost() is None
    (folder.root / "copy").write_bytes(b"")
    (folder.root / "copy").replace(path)
    assert watched.lost() == path
    again = Foundations(folder)
    assert again.lost() is None
    path.unlink()
    assert again.lost() == path


def test_what_comes_later_is_watched_from_then_on(folder: Folder) -> None:
    watched = Foundations(folder)
    assert watched.lost() is None
    folder.catalog.write_bytes(b"")
    assert watched.lost() is None
    folder.catalog.unlink()
    assert watched.lost() == folder.catalog


def test_a_folder_that_is_moved_is_lost(folder: Folder, tmp_path: Path) -> None:
    watched = Foundations(folder)
    assert watched.lost() is None
    folder.root.rename(tmp_path.with_name("elsewhere"))
    assert watched.lost() is not None


def test_a_users_own_database_in_the_folder_is_none_of_ours(folder: Folder) -> None:
    """Such as a copy that is made there and moved away."""
    watched = Foundations(folder)
    copies = [folder.root / "backup.sqlite", folder.lake / "scratch.db"]
    for copy in copies:
        copy.write_bytes(b"")
    assert watched.lost() is None
    for copy in copies:
        copy.unlink()
    assert watched.lost() is None


def test_a_disk_that_does_not_tell_has_not_lost_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Foundations(folder)
    assert watched.lost() is None

    def fail(_: Path) -> None:
        raise OSError(errno.ESTALE, "stale")

    with monkeypatch.context() as failing:
        failing.setattr(Path, "stat", fail)
        assert watched.lost() is None
    folder.log.unlink()
    assert watched.lost() == folder.log
