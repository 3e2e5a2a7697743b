"""The embedded schema registry: ids and versions of schemas, by the Confluent REST API or at hand.

`store.py` remembers, `drafts.py` compiles, `registry.py` decides, `api.py` speaks HTTP.
"""

from bobr.controller.registry.api import registry_app, registry_routes
from bobr.controller.registry.compatibility import Level
from bobr.controller.registry.identity import digest_of
from bobr.controller.registry.refusals import IncompatibleError, MissingError, RefusedError
from bobr.controller.registry.registry import LATEST, Registered, Registry
from bobr.controller.registry.store import Schema, State, Store, Version
from bobr.schema.source.sources import Reference

__all__ = [
    "LATEST",
    "IncompatibleError",
    "Level",
    "MissingError",
    "Reference",
    "RefusedError",
    "Registered",
    "Registry",
    "Schema",
    "State",
    "Store",
    "Version",
    "digest_of",
    "registry_app",
    "registry_routes",
]
