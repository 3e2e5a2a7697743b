"""Schemas on a disk: found with their imports, and named in errors as the user named them."""

from pathlib import Path

import pytest

from bobr.errors import SchemaError
from bobr.schema.source.compile import compile_files
from bobr.schema.source.local import Sources, read_sources
from bobr.schema.source.sources import SOURCE_BYTES_MAX


def test_local_files_are_read_with_their_imports(tmp_path: Path) -> None:
    root = tmp_path / "proto"
    (root / "shop/v1").mkdir(parents=True)
    (root / "shop/v1/order.proto").write_text(
        'syntax = "proto3";\npackage shop.v1;\nimport "shop/v1/money.proto";\nimport "near.proto";\n'
        'import "far.proto";\n// import "nowhere.proto";\nimport "google/protobuf/any.proto";\n'
    )
    (root / "shop/v1/money.proto").write_text('syntax = "proto3"; package shop.v1;')
    (root / "shop/v1/near.proto").write_text('syntax = "proto3";')
    (tmp_path / "far.proto").write_text('syntax = "proto3";')
    sources = read_sources(root / "shop/v1/order.proto", [tmp_path])
    files, main = sources.files, sources.main
    assert main == "proto/shop/v1/order.proto"
    assert set(files) == {main, "near.proto", "far.proto", "shop/v1/money.proto"}
    compile_files(files, main)
    sources = read_sources(root / "shop/v1/order.proto")
    files, main = sources.files, sources.main
    assert main == "shop/v1/order.proto"
    assert set(files) == {main, "shop/v1/money.proto", "near.proto"}


@pytest.mark.parametrize(
    "text",
    [
        'syntax = "proto3"; package two.v1; import "b.proto"; import "c.proto";',
        'syntax="proto3";/* one */ import /* two */ "b.proto";// three\nimport"c.proto" ;',
        "syntax = 'proto3';\n\nimport public\n'b.proto';import\t'c.proto';\nmessage A {}",
        'import "b.proto"; // a quote: "\nimport "c.proto"; /* import "d.proto"; */',
        'option java_package = "/* no comment"; import "b.proto"; option go_package = "*/"; import "c.proto";',
    ],
)
def test_imports_are_found_wherever_protoc_finds_them(tmp_path: Path, text: str) -> None:
    for name in "bcd":
        (tmp_path / f"{name}.proto").write_text('syntax = "proto3";')
    (tmp_path / "a.proto").write_text(text)
    sources = read_sources(tmp_path / "a.proto")
    assert set(sources.files) == {"a.proto", "b.proto", "c.proto"}
    compile_files(sources.files, sources.main)


def test_imports_do_not_climb_out_of_their_folders(tmp_path: Path) -> None:
    (tmp_path / "secret.proto").write_text("")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.proto").write_text('import "../secret.proto";')
    sources = read_sources(tmp_path / "in/a.proto")
    assert (sources.files, sources.main) == (
        {"a.proto": 'import "../secret.proto";'},
        "a.proto",
    )


def test_files_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"nope\.proto: can not be read: No such file"):
        read_sources(tmp_path / "nope.proto")
    (tmp_path / "latin.proto").write_bytes(b"// \xe9")
    with pytest.raises(SchemaError, match="is not UTF-8 at byte 3"):
        read_sources(tmp_path / "latin.proto")
    (tmp_path / "large.proto").write_bytes(b" " * (SOURCE_BYTES_MAX + 1))
    with pytest.raises(SchemaError, match="more than"):
        read_sources(tmp_path / "large.proto")


def shop(folder: Path, order: str) -> None:
    """Files of package shop.v1, in whatever folder."""
    folder.mkdir(parents=True)
    (folder / "order.proto").write_text(f'syntax = "proto3";\npackage shop.v1;\n{order}')
    (folder / "money.proto").write_text('syntax = "proto3";\npackage shop.v1;\nmessage Money {')


def told(sources: Sources) -> str:
    with pytest.raises(SchemaError) as caught:
        compile_files(sources.files, sources.main)
    return str(sources.told(caught.value))


@pytest.mark.parametrize("place", ["proto/shop/v1", "elsewhere", "shop/v1", "../up/shop/v1"])
def test_errors_name_the_path_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    shop(Path(place), "message Order { strin x = 1; }")
    sources = read_sources(Path(place, "order.proto"))
    assert told(sources).startswith(f'{place}/order.proto:3:17: "strin" is not defined')
    absolute = Path(place, "order.proto").resolve()
    assert told(read_sources(absolute)).startswith(f"{absolute}:3:17")


def test_so_do_those_of_its_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop(tmp_path / "proto/shop/v1", 'import "shop/v1/money.proto";')
    monkeypatch.chdir(tmp_path)
    by_root = read_sources(Path("proto/shop/v1/order.proto"))
    assert told(by_root).startswith("proto/shop/v1/money.proto:3:16: ")
    monkeypatch.chdir(tmp_path / "proto/shop/v1")
    from_inside = read_sources(Path("order.proto"))
    assert told(from_inside).startswith("../../shop/v1/money.proto:3:16: ")


def test_an_import_that_is_not_found_says_where_it_was_looked_for_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    imports = 'import "shop/v1/cents.proto";\nmessage Order { Cents cents = 1; }'
    shop(Path("proto/shop/v1"), imports)
    (line,) = told(read_sources(Path("proto/shop/v1/order.proto"), [Path("more")])).splitlines()
    assert line == (
        "shop/v1/cents.proto: is imported, and not found in proto/shop/v1, more, proto; "
        "name the folder that has it with -I [compile]"
    )
    shop(Path("flat"), imports)
    (line,) = told(read_sources(Path("flat/order.proto"))).splitlines()
    assert line == (
        "shop/v1/cents.proto: is imported, and not found in flat; name the folder that has it with "
        "-I, or move flat/order.proto to shop/v1/order.proto below that folder: the path of a file "
        "that ends as its package does tells where imports begin [compile]"
    )
