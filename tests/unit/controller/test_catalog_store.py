"""What the store is told and tells, without a database; the rest is `tests/contract/test_catalog_store.py`."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bobr.catalog import Catalog, LogLevel, Settings, Stream, diff
from bobr.controller.catalog_store import Stamp
from bobr.controller.catalog_store.entry import TEXT_CHARACTERS_MAX, content, fits, sealed
from bobr.controller.catalog_store.walk import LARGE_CHANGES, SNAPSHOT_EVERY, wants_snapshot
from bobr.controller.http import STATUS
from bobr.errors import ConflictError, RejectedError
from bobr.ids import Revision, SchemaId, StreamName

STAMP = Stamp(author="a", address="b", source="c", message="d", at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["x" * (TEXT_CHARACTERS_MAX + 1), "a\0", "\ud800"])
def test_a_stamp_has_texts_that_every_database_keeps(text: str) -> None:
    with pytest.raises(RejectedError, match="author"):
        replace(STAMP, author=text)
    with pytest.raises(RejectedError, match="address"):
        replace(STAMP, address=text)
    with pytest.raises(RejectedError, match="source"):
        replace(STAMP, source=text)
    with pytest.raises(RejectedError, match="message"):
        replace(STAMP, message=text)


def test_a_digest_tells_members_apart_and_what_went_before() -> None:
    row = sealed(content("{}", Revision(1), STAMP, "t", ""), "")
    assert fits(row, "")
    assert not fits(row, row.digest)
    moved = replace(STAMP, author="ab", address="")
    assert sealed(content("{}", Revision(1), moved, "t", ""), "").digest != row.digest


def streams(count: int, revision: int) -> Catalog:
    some = (
        Stream(name=StreamName(f"s{n}"), message="M", schema_ids=(SchemaId(1),))
        for n in range(count)
    )
    return Catalog(revision=Revision(revision), streams={each.name: each for each in some})


def test_snapshots_are_kept_now_and_then_and_with_large_changes() -> None:
    def wants(before: Catalog, after: Catalog) -> bool:
        return wants_snapshot(diff(before, after), after)

    few, many = LARGE_CHANGES - 1, 4 * LARGE_CHANGES
    assert not wants(streams(0, 0), streams(few, 1))
    assert wants(streams(0, 0), streams(LARGE_CHANGES, 1))
    assert wants(streams(many - LARGE_CHANGES, 1), streams(many, 2))
    assert not wants(streams(many, 1), streams(many + LARGE_CHANGES, 2))
    quiet = streams(many, SNAPSHOT_EVERY - 1)
    changed = quiet.model_copy(
        update={
            "revision": Revision(SNAPSHOT_EVERY),
            "settings": Settings(log_level=LogLevel.DEBUG),
        }
    )
    assert wants(quiet, changed)


def test_a_conflict_is_a_409_over_http() -> None:
    assert next(code for kind, code in STATUS.items() if issubclass(ConflictError, kind)) == 409
