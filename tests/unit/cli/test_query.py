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


# ---- namespaces


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("from trips", 5),
        ("from shop.orders", 5),
        ("select t._offset from trips t join shop.orders o on t._offset = o._offset", 5),
        ("from shop.trips", 5),
        ("show all tables", 3),
    ],
)
def test_tables_of_other_namespaces_lie_in_schemas(tmp_path: Path, query: str, rows: int) -> None:
    folder = folder_of(tmp_path, "trips", "shop.orders", "shop.trips", damaged=[])
    assert run(folder, query).rows.num_rows == rows


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("from shop.orderz", "orderz"),
        ("from orders", "orders"),
        ("from shopp.orders", "shopp.orders"),
    ],
)
def test_tables_that_are_there_are_told_as_a_query_names_them(
    tmp_path: Path, query: str, missing: str
) -> None:
    folder = folder_of(tmp_path, "trips", "shop.orders", damaged=[])
    there = r"there are: shop\.orders, trips$"
    with pytest.raises(NotFoundError, match=f"^no table '{missing}' in .*; {there}"):
        run(folder, query)


def test_a_damaged_table_of_another_namespace_is_named_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path, "orders", "shop.orders", damaged=[])
    for file in (folder / "lake" / "warehouse" / "shop").rglob("*.parquet"):
        file.write_bytes(b"damaged, and as long as nothing is")
    assert run(folder, "from orders").rows.num_rows == 5
    assert "table shop.orders can not be read and is left out" in capsys.readouterr().err
    with pytest.raises(BrokenError, match=r"^table 'orders' can not be read"):
        run(folder, "from shop.orders")


def test_namespaces_that_duckdb_has_names_of_its_own_for_hide_no_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("t", "main.t", "information_schema.t", "temp.u", "deep.t")
    folder = folder_of(tmp_path, *names, damaged=[])
    for query in ("from t", "from deep.t", 'from memory."temp".u'):
        assert run(folder, query).rows.num_rows == 5
    lines = capsys.readouterr().err.splitlines()
    left_out = {line.split(" can not")[0] for line in lines}
    assert left_out == {"bobr: table main.t", "bobr: table information_schema.t"}
