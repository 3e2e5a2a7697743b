"""`bobr serve PART`: one part in this process."""

from typing import Annotated

import typer

from bobr.cli.options import DIR, Dir, TlsCert, TlsClientCa, TlsKey

Control = Annotated[str, typer.Option("--control", help="URL of the controller.")]
Line = Annotated[
    str | None, typer.Option("--line", help="unix:PATH, where the controller hears its parts.")
]
Descriptor = Annotated[int, typer.Option("--fd", help="Inherited, bound socket to listen on.")]


def serve_controller(  # the options of the command
    fd: Descriptor,
    line_fd: Annotated[
        int | None, typer.Option("--line-fd", help="Likewise, for the parts of this machine.")
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    directory: Dir = DIR,
) -> None:
    """The controller: catalog, registry, introspection."""
    from bobr.app import run_controller
    from bobr.runtime.tls import tls_files

    run_controller(directory, fd, line_fd, tls_files(tls_cert, tls_key, tls_client_ca))


def serve_broker(  # noqa: PLR0913, PLR0917  # the options of the command
    fd: Descriptor,
    control: Control,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port of the gRPC edge.")],
    line: Line = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    directory: Dir = DIR,
) -> None:
    """The broker: accepts events."""
    from bobr.app import run_broker
    from bobr.runtime.tls import tls_files

    tls = tls_files(tls_cert, tls_key, tls_client_ca)
    run_broker(directory, fd, grpc, control, line, tls)


def serve_transmitter(control: Control, line: Line = None, directory: Dir = DIR) -> None:
    """The transmitter: streams to tables."""
    from bobr.app import run_transmitter

    run_transmitter(directory, line or control)
