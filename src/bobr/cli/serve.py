"""`bobr serve PART`: one part in this process."""

from typing import Annotated

import typer

from bobr.cli.options import DIR, Dir

Control = Annotated[str, typer.Option("--control", help="URL of the controller.")]
Descriptor = Annotated[int, typer.Option("--fd", help="Inherited, bound socket to listen on.")]


def serve_controller(fd: Descriptor, directory: Dir = DIR) -> None:
    """The controller: catalog, registry, introspection."""
    from bobr.app import run_controller

    run_controller(directory, fd)


def serve_broker(
    fd: Descriptor,
    control: Control,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port of the gRPC edge.")],
    directory: Dir = DIR,
) -> None:
    """The broker: accepts events."""
    from bobr.app import run_broker

    run_broker(directory, fd, grpc, control)


def serve_transmitter(control: Control, directory: Dir = DIR) -> None:
    """The transmitter: streams to tables."""
    from bobr.app import run_transmitter

    run_transmitter(directory, control)
