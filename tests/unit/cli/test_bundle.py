"""A folder as it is read from disk: what can not be read is told beside all other faults, and hides none."""

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
    (tmp_path / "large.yaml").write_text(f"streams: {{}} # {'x' * 200}")
    (tmp_path / "memory.yaml").symlink_to("/proc/self/mem")
    (tmp_path / "sound.yaml").write_text(
        "deliveries:\n  a: {from: of-another, table: a, flush: 3x}\n"
    )
    assert told(tmp_path) == [
        "large.yaml:1:1: the file has more than 200 bytes: make several of it [unreadable]",
        "latin.yaml:2:5: this is not UTF-8, at byte 13: save the file as UTF-8 [unreadable]",
        "memory.yaml:1:1: the file can not be read: Input/output error [unreadable]",
        "sound.yaml:2:42: deliveries.a.flush: it is a time like 24h, 30m or 7d, not '3x' [wrong-value]",
    ]
