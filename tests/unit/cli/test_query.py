"""`bobr sql` beside tables that can not be read: what it says of them, and what it does all the same."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bobr.cli.query import run
from bobr.errors import BrokenError, NotFoundError
from bobr.testing.sink_contract import deliver, schema_of
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink


def folder_of(root: Path, *tables: str, damaged: Sequence[str]) -> Path:
    """A data folder with those tables of five rows each."""
    (root / "catalog.sqlite").touch()
    lake = root / "lake"
    lake.mkdir()
    for name in tables:
        sink = IcebergSink(IcebergConfig.in_folder(lake), name)
        sink.open(schema_of())
        deliver(sink, 0, 5)
        sink.close()
    for name in damaged:
        for file in (lake / "warehouse" / "bobr" / name).rglob("*.parquet"):
            file.write_bytes(b"damaged, and as long as nothing is")
    return root


@pytest.mark.parametrize("query", ["from trips", "select _offset from main.Trips"])
def test_a_table_that_can_not_be_read_is_not_said_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    folder = folder_of(tmp_path, "trips", damaged=["trips"])
    with pytest.raises(
        BrokenError, match=r"^table '[Tt]rips' can not be read: .+\.parquet.*$"
    ) as caught:
        run(folder, query)
    assert all(word not in str(caught.value) for word in ("\n", "LINE", "SELECT"))
    assert capsys.readouterr() == ("", "")


def test_where_all_are_left_out_they_are_not_said_to_be_made_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path, "trips", damaged=["trips"])
    with pytest.raises(NotFoundError, match=r"there are: none that can be read$"):
        run(folder, "from tripz")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bobr: table trips can not be read and is left out: ")


@pytest.mark.parametrize(
    ("query", "is_partial"),
    [
        ("show tables", True),
        ("from information_schema.tables", True),
        ("select count(*) from sound", False),
        ("select count(*) as show from sound", False),
    ],
)
def test_only_a_list_that_lacks_tables_is_partial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], query: str, is_partial: bool
) -> None:
    folder = folder_of(tmp_path, "trips", "sound", damaged=["trips"])
    answer = run(folder, query)
    assert (answer.rows.num_rows, answer.is_partial) == (1, is_partial)
    (line,) = capsys.readouterr().err.splitlines()
    assert "trips can not be read" in line
    (folder / "other").mkdir()
    assert not run(folder_of(folder / "other", "sound", damaged=[]), query).is_partial
