"""A folder as it is read from disk: what can not be read is told beside all other faults, and hides none."""

import os
from pathlib import Path

import pytest

from bobr.catalog.config.load import load
from bobr.cli import bundle as reading
from bobr.cli.bundle import read_bundle
from bobr.controller.proposal import checked_alone


def told(folder: Path) -> list[str]:
    bundle = read_bundle(folder)
    problems = checked_alone(bundle, load(bundle.files)).problems
    return [str(each).removeprefix(f"{folder}/") for each in problems]


def test_a_file_that_can_not_be_read_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FILE_BYTES_MAX", 200)
    (tmp_path / "latin.yaml").write_bytes("streams:\n  größe: {}\n".encode("latin-1"))
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf# \xc3\xa9\xc3\xa9\xff")
    (tmp_path / "large.yaml").write_text(f"streams: {{}} # {'x' * 200}")
    (tmp_path / "memory.yaml").symlink_to("/proc/self/mem")
    (tmp_path / "sound.yaml").write_text(
        "deliveries:\n  a: {from: of-another, table: a, flush: 3x}\n"
    )
    assert told(tmp_path) == [
        "bom.yaml:1:5: this is not UTF-8, at byte 9: save the file as UTF-8 [unreadable]",
        "large.yaml:1:1: the file has more than 200 bytes: make several of it [unreadable]",
        "latin.yaml:2:5: this is not UTF-8, at byte 13: save the file as UTF-8 [unreadable]",
        "memory.yaml:1:1: this can not be read: Input/output error [unreadable]",
        "sound.yaml:2:42: deliveries.a.flush: it is a time like 24h, 30m or 7d, not '3x' [wrong-value]",
    ]


def test_nothing_that_is_called_as_a_file_of_ours_is_left_out_in_silence(tmp_path: Path) -> None:
    conf, elsewhere, deep = tmp_path / "conf", tmp_path / "elsewhere", tmp_path
    for each in (conf, elsewhere):
        each.mkdir()
    (conf / "CAPITALS.YAML").write_text("colour: red\n")
    (conf / "dangling.yaml").symlink_to("nothing.yaml")
    os.mkfifo(conf / "pipe.yml")
    (conf / "linked").symlink_to(elsewhere)
    (elsewhere / "own.yaml").write_text("colour: red\n")
    (elsewhere / "circle").symlink_to(conf)
    (conf / ".hidden.yaml").write_text("colour: red\n")
    (conf / ".git").symlink_to(elsewhere)
    words = "unknown: there is 'deliveries', 'destinations', 'owner', 'principals', 'routes', 'settings', 'streams'"
    assert told(conf) == [
        f"CAPITALS.YAML:1:1: colour: {words} [unknown-key]",
        "dangling.yaml:1:1: this can not be read: No such file or directory [unreadable]",
        f"linked/own.yaml:1:1: colour: {words} [unknown-key]",
        "pipe.yml:1:1: this can not be read: it is no file, but a pipe, a device or a folder [unreadable]",
    ]
    while len(str(deep)) < PATH_CHARACTERS_MAX:
        deep = deep / ("x" * 250)
    make_below(tmp_path, deep)
    (problem,) = told(tmp_path / ("x" * 250))
    assert problem.endswith(": this can not be read: File name too long [unreadable]")


def test_a_folder_is_read_once_and_as_itself(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "own.yaml").write_text("colour: red\n")
    (tmp_path / "a").symlink_to("z")
    assert [each.partition(":")[0] for each in told(tmp_path)] == ["z/own.yaml"]


PATH_CHARACTERS_MAX = 4096


def make_below(folder: Path, deep: Path) -> None:
    """A folder with too long a path for it to be named at once, which nobody may enter, root neither."""
    here = os.open(folder, os.O_RDONLY)
    for part in deep.relative_to(folder).parts:
        os.mkdir(part, dir_fd=here)
        below = os.open(part, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.parametrize(
    "written", ["pipe.proto", '"a\\0b.proto"', "outside.proto", "folder.proto"]
)
def test_a_proto_that_is_no_file_of_the_folder_is_told_or_read(
    tmp_path: Path, written: str
) -> None:
    conf = tmp_path / "conf"
    (conf / "folder.proto").mkdir(parents=True)
    os.mkfifo(conf / "pipe.proto")
    (tmp_path / "outside.proto").write_text(
        'syntax = "proto3"; package shop.v1; import "beside.proto"; message Order { Beside a = 1; }'
    )
    (conf / "beside.proto").write_text(
        'syntax = "proto3"; package shop.v1; message Beside { string a = 1; }'
    )
    (conf / "outside.proto").symlink_to(tmp_path / "outside.proto")
    (conf / "bobr.yaml").write_text(f"streams:\n  orders: {{proto: {written}}}\n")
    why = {
        "pipe.proto": "can not be read: it is no file, but a pipe, a device or a folder",
        "folder.proto": "can not be read: Is a directory",
        '"a\\0b.proto"': "can not be read: no file has such a name: embedded null byte",
    }
    problems = told(conf)
    assert len(problems) == (written in why)
    assert why.get(written, "") in "".join(problems)
