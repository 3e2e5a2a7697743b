"""One change in a catalog of 2,000 streams, 2,000 deliveries and 500 routes: validate, plan, and a part's own work.

Beside each its limit, and what reading the same YAML takes by itself in the same run.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from bobr.catalog import Catalog
from bobr.catalog.change import delta_json, delta_of, diff, with_changes
from bobr.catalog.config.bundle import Bundle
from bobr.cli.bundle import read_bundle
from bobr.controller.proposal import Consent, Proposal, World, propose, registered
from bobr.controller.registry import Registry, Store
from bobr.ids import Revision
from bobr.testing.system import BOBR

STREAMS = 2_000
ROUTES = 500
PROTOS = 50
RUNS = 5
PROTO = """syntax = "proto3";
package p{number};
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
message Order {{
  string event_id = 1;
  google.protobuf.Timestamp event_time = 2;
  string customer_id = 3;
  double total = 4 [(buf.validate.field).double.gte = 0];
  repeated Item items = 5;
}}
message Item {{
  string sku = 1;
  int32 quantity = 2;
}}
"""


def main() -> None:
    """Print seconds, best of several, each beside its limit."""
    print(
        f"catalog: {STREAMS:,} streams and deliveries, {ROUTES} routes, {PROTOS} protos; one change"
    )
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        write(conf, retention="7d")
        registry = Registry(Store(Path(folder) / "registry.sqlite"))
        world = World(current=Catalog(), registry=registry, hold=lambda _: {}, parts={})
        first = propose(read_bundle(conf), Consent(), world)
        began = time.perf_counter()
        catalog = registered(first, registry).model_copy(update={"revision": Revision(1)})
        print(f"  {'register all schemas, once':<44} {time.perf_counter() - began:7.3f} s")
        world = World(current=catalog, registry=registry, hold=lambda _: {}, parts={})
        write(conf, retention="8d")
        bundle = read_bundle(conf)
        text = (conf / "all.yaml").read_text()
        row("parse the YAML and nothing else", lambda: yaml.compose(text, Loader=yaml.CSafeLoader))
        row("bobr validate --offline, the process", lambda: validate(conf), limit=2.0)
        row("validate and plan in the controller", lambda: plan(bundle, world), limit=2.0)
        after = plan(bundle, world).wanted.model_copy(update={"revision": Revision(2)})
        delta = diff(catalog, after)
        assert len(delta.changes) == 1
        row(
            "a part: read the change, apply it", lambda: take(delta_json(delta), catalog), limit=0.1
        )


def write(conf: Path, retention: str) -> None:
    """The configuration; `retention` is that of one stream."""
    conf.mkdir(exist_ok=True)
    for number in range(PROTOS):
        (conf / f"p{number}.proto").write_text(PROTO.format(number=number))
    lines = ["streams:"]
    for number in range(STREAMS):
        keep = retention if number == 0 else "7d"
        package = f"p{number % PROTOS}"
        members = f"message: {package}.Order, proto: {package}.proto, retention: {keep}"
        lines.append(f"  orders-{number}: {{{members}, key: customer_id}}")
    lines.append("deliveries:")
    for number in range(STREAMS):
        lines += [
            f"  orders-{number}-lake:",
            f"    from: orders-{number}",
            f"    table: shop.orders_{number}",
            "    dedup: 24h",
        ]
    lines.append("routes:")
    for number in range(ROUTES):
        to = number + PROTOS
        lines.append(
            f"  big-{number}: {{from: [orders-{number}], where: event.total > 1.0, to: orders-{to}}}"
        )
    (conf / "all.yaml").write_text("\n".join(lines) + "\n")


def validate(conf: Path) -> None:
    """As a pull request's job does; routes are not run yet, which is what it says."""
    done = subprocess.run(
        [*BOBR, "validate", str(conf), "--offline"], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("[not-run]") == ROUTES, done.stdout[:500]


def plan(bundle: Bundle, world: World) -> Proposal:
    """Everything that the controller does before it stores."""
    proposal = propose(bundle, Consent(), world)
    assert len(proposal.plan.steps) == 1
    return proposal


def take(text: str, catalog: Catalog) -> Catalog:
    """What each part does before its own streams or deliveries are touched."""
    return with_changes(delta_of(text), catalog)


def row(name: str, act: Callable[[], object], limit: float | None = None) -> None:
    """The best of several runs."""
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    best = min(seconds)
    beside = "" if limit is None else f"   limit {limit:g} s: {best / limit:.0%} of it"
    print(f"  {name:<44} {best:7.3f} s{beside}")
