"""The catalog: every stream, route, delivery, destination and principal at one revision.

Pure values; the controller stores them, the parts run them.

    model.py        the values, and their one JSON form
    names.py        how names and their patterns are written
    durations.py    times as people write them
    references.py   ${env:…} and ${file:…}, resolved where they are needed
    locations.py    one spelling for each place that tables lie in
    keys.py         API keys, of which only the digest is kept
    access.py       who may do what
    change.py       what lies between two catalogs
"""

from bobr.catalog.change import Change, Delta, Kind, apply, diff, flip, moved
from bobr.catalog.model import (
    API,
    BUILT_IN,
    LAKE,
    Catalog,
    Delivery,
    Destination,
    LogLevel,
    Object,
    PartitionBy,
    Principal,
    Route,
    Settings,
    SqlCatalog,
    Stream,
)

__all__ = [
    "API",
    "BUILT_IN",
    "LAKE",
    "Catalog",
    "Change",
    "Delivery",
    "Delta",
    "Destination",
    "Kind",
    "LogLevel",
    "Object",
    "PartitionBy",
    "Principal",
    "Route",
    "Settings",
    "SqlCatalog",
    "Stream",
    "apply",
    "diff",
    "flip",
    "moved",
]
