"""The last catalogs on a part's disk: kept by order, believed when whole, missed by nobody when they are not."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bobr.catalog import Catalog, Principal
from bobr.catalog.model import Key
from bobr.ids import PrincipalName, Revision
from bobr.runtime.revisions import KEPT, NOT_BELIEVED, Revisions
from bobr.testing.rollout import changed, large_catalog


def catalogs(count: int) -> list[Catalog]:
    some = [large_catalog(3)]
    while len(some) < count:
        some.append(changed(some[-1]))
    return some


def written(folder: Path, *some: Catalog) -> Revisions:
    revisions = Revisions(folder)
    for catalog in some:
        assert revisions.write(catalog)
    return revisions


def test_the_last_ones_are_there_newest_first(tmp_path: Path) -> None:
    some = catalogs(5)
    written(tmp_path / "new", *some)
    assert list(Revisions(tmp_path / "new").newest_first()) == some[:-4:-1]
    assert len(list((tmp_path / "new").iterdir())) == KEPT


def test_the_newest_is_what_was_run_last_whatever_its_number(tmp_path: Path) -> None:
    some = catalogs(4)
    revisions = written(tmp_path, *some, some[1])
    assert [each.revision for each in revisions.newest_first()] == [2, 4, 3]


def test_the_order_goes_on_after_a_start(tmp_path: Path) -> None:
    some = catalogs(3)
    for catalog in some:
        written(tmp_path, catalog)
    assert list(Revisions(tmp_path).newest_first()) == some[::-1]


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    assert list(Revisions(tmp_path / "nowhere").newest_first()) == []


def newest(folder: Path) -> Path:
    return max(folder.glob("*.catalog"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"shop", b"shot", 1)),
        lambda path: path.rename(path.with_name(path.name.replace("-3-", "-4-"))),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
    ],
)
def test_what_is_damaged_is_passed_over_with_a_line(tmp_path: Path, damage: object) -> None:
    some = catalogs(3)
    revisions = written(tmp_path, *some)
    damage(newest(tmp_path))  # type: ignore[operator]  # a function of a path
    with capture_logs() as lines:
        assert list(revisions.newest_first()) == [some[1], some[0]]
    assert [each["event"] for each in lines] == ["a kept catalog can not be used"]


def with_key(catalog: Catalog, sha256: str) -> Catalog:
    ops = Principal(name=PrincipalName("ops"), configure=("*",), keys=(Key(sha256=sha256),))
    return catalog.model_copy(update={"principals": {ops.name: ops}})


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_no_key_comes_back_because_the_catalog_that_revokes_it_is_damaged(
    tmp_path: Path, damage: object
) -> None:
    first, second, third = catalogs(3)
    revisions = written(
        tmp_path, with_key(first, "old"), with_key(second, "old"), with_key(third, "new")
    )
    damage(newest(tmp_path))  # type: ignore[operator]  # a function of a path
    with capture_logs() as lines:
        assert list(revisions.newest_first()) == []
    damaged, *others = [each["event"] for each in lines]
    assert damaged == "a kept catalog can not be used"
    assert others == [NOT_BELIEVED] * 2


def test_a_system_that_was_closed_is_not_open_again(tmp_path: Path) -> None:
    first, second = catalogs(2)
    revisions = written(tmp_path, first, with_key(second, "new"))
    newest(tmp_path).write_bytes(b"")
    assert list(revisions.newest_first()) == []


def test_what_has_the_same_keys_as_the_damaged_one_is_believed(tmp_path: Path) -> None:
    first, second, third = catalogs(3)
    revisions = written(
        tmp_path, with_key(first, "old"), with_key(second, "new"), with_key(third, "new")
    )
    newest(tmp_path).write_bytes(b"")
    new = with_key(first, "new")
    assert list(revisions.newest_first()) == [with_key(second, "new"), new], "keys of the newest"


def test_one_that_is_refused_gives_its_keys_to_the_one_before(tmp_path: Path) -> None:
    first, second = catalogs(2)
    revisions = written(tmp_path, with_key(first, "old"), with_key(second, "new"))
    assert list(revisions.newest_first()) == [with_key(second, "new"), with_key(first, "new")]


def test_a_catalog_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    (first,) = catalogs(1)
    revisions = written(tmp_path, first)
    later = first.model_copy(update={"revision": Revision(2), "streams": {"odd name!": 7}})
    with pytest.warns(UserWarning, match="serialized"):
        assert revisions.write(later)
    assert list(revisions.newest_first()) == [first]


def test_other_files_there_are_left_alone_and_drafts_of_the_dead_are_not(tmp_path: Path) -> None:
    others = {"notes.txt", "my-own.catalog", "²-1-x.catalog", "٣-1-x.catalog"}
    for name in (*others, ".000000000009-9.catalog.77.new"):
        (tmp_path / name).write_text("x")
    (first,) = catalogs(1)
    assert list(written(tmp_path, first).newest_first()) == [first]
    kept = {path.name for path in tmp_path.iterdir()}
    (own,) = kept - others
    assert own.startswith("000000000001-1-")


def test_a_name_whose_revision_is_none_is_older_than_any(tmp_path: Path) -> None:
    (first,) = catalogs(1)
    revisions = written(tmp_path, first)
    (tmp_path / newest(tmp_path).name.replace("-1-", "-²-")).write_text("x")
    assert list(revisions.newest_first()) == [first]
    assert revisions.write(first)


def test_a_disk_that_takes_nothing_is_said_once_and_again_after_it_did(tmp_path: Path) -> None:
    (first,) = catalogs(1)
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    revisions = Revisions(folder)
    with capture_logs() as lines:
        assert [revisions.write(first), revisions.write(first)] == [False, False]
        folder.unlink()
        assert revisions.write(first)
    assert [each["event"] for each in lines] == ["the catalog can not be kept on disk"]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process has room for a catalog."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with capture_logs():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_key_comes_back_because_the_catalog_that_revokes_it_has_no_room(tmp_path: Path) -> None:
    first, second, third = catalogs(3)
    new = with_key(second, "new")
    revisions = written(tmp_path, with_key(first, "old"))
    with full_disk():
        assert not revisions.write(new)
    assert list(Revisions(tmp_path).newest_first()) == []
    assert revisions.write(new)
    with full_disk():
        assert not revisions.write(with_key(third, "new"))
    assert list(Revisions(tmp_path).newest_first()) == [new], "it has the same keys"


def test_one_that_can_not_be_removed_saves_no_other(tmp_path: Path) -> None:
    first, second = catalogs(2)
    (tmp_path / "000000000000-1-x.catalog").mkdir()
    revisions = written(tmp_path, with_key(first, "old"))
    with full_disk():
        assert not revisions.write(with_key(second, "new"))
    assert [path.is_dir() for path in tmp_path.iterdir()] == [True]
    written(tmp_path, *catalogs(5))
    assert len(list(tmp_path.iterdir())) == KEPT + 1


def test_of_two_that_were_kept_at_one_moment_the_newer_is_the_newest(tmp_path: Path) -> None:
    """Two instances have one folder: revisions are numbers, and 100 is after 99."""
    for revision in (99, 100):
        Revisions(tmp_path / str(revision)).write(Catalog(revision=Revision(revision)))
    both = tmp_path / "both"
    both.mkdir()
    for path in tmp_path.glob("*/*.catalog"):
        path.rename(both / path.name)
    assert [each.revision for each in Revisions(both).newest_first()] == [100, 99]
