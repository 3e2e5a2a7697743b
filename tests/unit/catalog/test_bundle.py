"""What is sent of a folder may lack anything: each lack is a problem with its place, and no failure."""

from pathlib import Path

import pytest

from bobr.catalog import Catalog
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.controller.proposal import Consent, World, propose
from bobr.controller.registry import Registry, Store

FILES = {"a.yaml": "streams:\n  t: {proto: o.proto}\n"}
WHOLE = Proto(main="o.proto", files={"o.proto": "o.proto"})


@pytest.mark.parametrize(
    ("protos", "lack"),
    [
        ({}, "o.proto is not among `protos` of what was sent"),
        ({"o.proto": Proto()}, "o.proto: `main` '' is not among its `files`"),
        ({"o.proto": WHOLE}, "o.proto: 'o.proto' is not among `texts` of what was sent"),
    ],
)
def test_what_is_not_sent_is_named(tmp_path: Path, protos: dict[str, Proto], lack: str) -> None:
    registry = Registry(Store(tmp_path / "registry.sqlite"))
    world = World(current=Catalog(), registry=registry, hold=lambda _: {}, parts={})
    bundle = Bundle(files=FILES, protos=protos)
    (problem,) = propose(bundle, Consent(), world).problems
    assert str(problem) == f"a.yaml:2:14: streams.t.proto: {lack} [message]"
