"""Places that are the same, however they are written, and such as only look alike."""

import pytest
from sqlalchemy import make_url

from bobr.catalog import Destination
from bobr.catalog.locations import same_catalog
from bobr.transmitter.sinks.iceberg import IcebergConfig

SAME = [
    (
        "sqlite:////srv/c.db",
        "sqlite:////srv//c.db",
        "sqlite+pysqlite:////srv/./c.db",
        "sqlite:////srv/c.db?timeout=3",
    ),
    ("sqlite:////srv/a b.db", "sqlite:////srv/a%20b.db"),
    (
        "postgresql://u@h/d",
        "postgresql+psycopg://u@h/d",
        "postgresql://u@h:5432/d",
        "postgresql://v:${file:/run/pw@x}@H/d",
        "postgresql://u@h/d?connect_timeout=3",
        "postgresql://h/d?port=5432",
    ),
    ("postgresql://lake@h", "postgresql://lake@h/lake", "postgresql://lake@/lake?host=h"),
]
OTHER = [
    "sqlite:////srv/C.db",
    "sqlite:////srv/d.db",
    "sqlite:////${env:A}/../c.db",
    "sqlite:////${env:B}/../c.db",
    "postgresql://u@h:5433/d",
    "postgresql://u@h/e",
    "postgresql://u@[::1]/d",
    "postgresql://u@${env:H}/d",
    "postgresql://u@${env:h}/d",
    "postgresql:///d?host=/run/one",
    "postgresql:///d?host=/run/two",
    "postgresql:///d?host=h1&host=h2",
    "postgresql://u@h/d?options=-csearch_path%3Dshop",
    "${env:URI}",
    "postgresql://[h/d",
    "nothing",
]


def test_a_catalog_has_one_spelling() -> None:
    groups = [{same_catalog(each) for each in some} for some in SAME]
    assert [len(group) for group in groups] == [1] * len(SAME)
    every = [*(group.pop() for group in groups), *map(same_catalog, OTHER)]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    "uri", ["sqlite:////srv/a%20b//c.db", "sqlite+pysqlite:////srv/c#d.db?x=1"]
)
def test_the_file_is_the_one_that_is_opened(uri: str) -> None:
    database = make_url(uri).database
    assert (
        same_catalog(uri)
        == same_catalog(f"sqlite:///{database}")
        == f"sqlite:{database}".replace("//", "/")
    )


def test_a_warehouse_has_the_catalog_that_it_is_opened_with() -> None:
    destination = Destination.model_validate(
        {"name": "w", "kind": "iceberg", "warehouse": "/srv/w"}
    )
    url = IcebergConfig.of(destination, destination.warehouse).url  # type: ignore[arg-type]
    said = {"name": "w", "kind": "iceberg", "catalog": {"uri": str(url)}}
    assert destination.place_of("t") == Destination.model_validate(said).place_of("t")
