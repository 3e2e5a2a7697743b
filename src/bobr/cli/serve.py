"""`bobr serve PART`: one part in this process."""

from typing import Annotated

import typer

from bobr.cli.options import DIR, Catalog, Dir

Control = Annotated[str, typer.Option("--control", help="URL of the controller.")]
Relay = Annotated[
    str, typer.Option("--relay", help="host:port of the controller, for configurators.")
]
Configurators = Annotated[
    list[str], typer.Option("--configurator", help="host:port; several are tried in turn.")
]
Descriptor = Annotated[int, typer.Option("--fd", help="Inherited, bound socket to listen on.")]
MetricsDescriptor = Annotated[
    int | None, typer.Option("--metrics-fd", help="Another, for its metrics. Without it, none.")
]


def serve_controller(
    fd: Descriptor, relay: Relay, catalog: Catalog = "", directory: Dir = DIR
) -> None:
    """The controller: catalog, registry, introspection."""
    from bobr.app import run_controller

    run_controller(directory, fd, relay, catalog)


def serve_configurator(
    relay: Relay,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port for the parts.")],
    metrics_fd: MetricsDescriptor = None,
    directory: Dir = DIR,
) -> None:
    """The configurator: the catalog to the parts."""
    from bobr.app import run_configurator

    run_configurator(directory, grpc, relay, metrics_fd)


def serve_broker(
    fd: Descriptor,
    control: Control,
    configurators: Configurators,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port of the gRPC edge.")],
    directory: Dir = DIR,
) -> None:
    """The broker: accepts events."""
    from bobr.app import Lines, run_broker

    run_broker(directory, fd, grpc, Lines(control=control, configurators=tuple(configurators)))


def serve_transmitter(
    control: Control,
    configurators: Configurators,
    metrics_fd: MetricsDescriptor = None,
    directory: Dir = DIR,
) -> None:
    """The transmitter: streams to tables."""
    from bobr.app import Lines, run_transmitter

    lines = Lines(control=control, configurators=tuple(configurators))
    run_transmitter(directory, lines, metrics_fd)
