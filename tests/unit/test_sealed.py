"""Files that are whole or are not believed."""

import stat
from pathlib import Path

import pytest

from bobr.errors import BrokenError
from bobr.sealed import read_sealed, write_sealed

CONTENT = b"some\ncontent" * 100


def test_what_was_put_there_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (CONTENT, b"", b"shorter"):
        write_sealed(path, "kind 1", content)
        assert read_sealed(path, "kind 1") == content
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_any_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_sealed(path, "kind 1", CONTENT)
    whole = path.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for damaged in (b"", whole[:-1], whole[: len(whole) // 2], whole + b"x", *flipped):
        path.write_bytes(damaged)
        with pytest.raises(BrokenError):
            read_sealed(path, "kind 1")


def test_it_is_read_as_nothing_else(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", "kind 1", CONTENT)
    for kind in ("kind 2", "kind", "kind 1 "):
        with pytest.raises(BrokenError):
            read_sealed(tmp_path / "file", kind)


def test_what_can_not_be_put_there_leaves_what_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_sealed(tmp_path / "folder", "kind 1", CONTENT)
    with pytest.raises(OSError, match="nowhere"):
        write_sealed(tmp_path / "nowhere" / "file", "kind 1", CONTENT)
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]
