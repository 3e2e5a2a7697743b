"""What `bobr show` writes is read as what is in force, whatever its names are."""

from hypothesis import example, given
from hypothesis import strategies as st

from bobr.catalog import Catalog, Delivery, Destination, Kind, Principal, Stream
from bobr.catalog.config.load import load
from bobr.catalog.config.render import as_yaml
from bobr.catalog.model import API, LAKE, IcebergDeclaration
from bobr.catalog.names import NAME
from bobr.catalog.references import Text
from bobr.ids import DestinationName, SchemaId, StreamName

NAMES = (
    st.from_regex(NAME.pattern, fullmatch=True)
    | st.sampled_from(
        ["null", "true", "no", "y", "0x1f", "1_0", "0o17", "2026-11-29", "1.", "1e-3"]
    )
    | st.integers(0, 10**9).map(lambda number: f"{number:03}")
    | st.floats(0, 1e300).map(str)
).filter(lambda name: name not in (API, LAKE) and NAME.fits(name))


@given(NAMES, NAMES, st.text())
@example("08", "1e5", "\u2028")
def test_every_name_and_text_survives(owner: str, name: str, where: str) -> None:
    stream = Stream(name=StreamName(name), message="a.B", schema_ids=(SchemaId(1),), owner=owner)
    destination = Destination(
        name=DestinationName(name), kind="iceberg", owner=owner, warehouse=Text(f"/{where}")
    )
    delivery = Delivery.model_validate(
        {"name": name, "from": name, "to": name, "table": "t", "owner": owner}
    )
    principal = Principal.model_validate({"name": name, "publish": [name], "owner": owner})
    catalog = Catalog(
        streams={stream.name: stream},
        destinations={destination.name: destination},
        deliveries={delivery.name: delivery},
        principals={principal.name: principal},
    )
    declared, problems = load({"shown.yaml": as_yaml(catalog, owner)})
    assert [each for each in problems if each.rule != "reference"] == []
    assert declared.owner == owner
    assert {key[1] for key in declared.names} == {name}
    read = declared.objects[Kind.DESTINATION, name]
    assert isinstance(read, IcebergDeclaration)
    assert read.warehouse == destination.warehouse
