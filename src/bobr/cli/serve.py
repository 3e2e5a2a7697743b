"""`bobr serve PART`: one part in this process."""

from typing import Annotated

import typer

from bobr.cli.options import DIR, Catalog, Dir, TlsCert, TlsClientCa, TlsKey

Control = Annotated[str, typer.Option("--control", help="URL of the controller.")]
Relay = Annotated[
    str, typer.Option("--relay", help="host:port of the controller, for configurators.")
]
Configurators = Annotated[
    list[str], typer.Option("--configurator", help="host:port; several are tried in turn.")
]
Line = Annotated[
    str, typer.Option("--line", help="unix:PATH, where the controller hears its own parts.")
]
Descriptor = Annotated[int, typer.Option("--fd", help="Inherited, bound socket to listen on.")]
MetricsDescriptor = Annotated[
    int | None, typer.Option("--metrics-fd", help="Another, for its metrics. Without it, none.")
]


def serve_controller(  # noqa: PLR0913, PLR0917  # the options of the command
    fd: Descriptor,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port of its API over gRPC.")],
    relay: Relay,
    line_fd: Annotated[
        int | None, typer.Option("--line-fd", help="Likewise, for the parts of this machine.")
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    catalog: Catalog = "",
    directory: Dir = DIR,
) -> None:
    """The controller: catalog, registry, introspection."""
    from bobr.app import Heard, run_controller
    from bobr.runtime.tls import tls_files

    tls = tls_files(tls_cert, tls_key, tls_client_ca)
    heard = Heard(fd=fd, grpc=grpc, relay=relay, line_fd=line_fd)
    run_controller(directory, heard, catalog, tls)


def serve_configurator(  # noqa: PLR0913, PLR0917  # the options of the command
    relay: Relay,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port for the parts.")],
    metrics_fd: MetricsDescriptor = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    directory: Dir = DIR,
) -> None:
    """The configurator: the catalog to the parts."""
    from bobr.app import Metrics, run_configurator
    from bobr.runtime.tls import tls_files

    tls = tls_files(tls_cert, tls_key, tls_client_ca)
    run_configurator(directory, grpc, relay, Metrics(fd=metrics_fd, tls=tls))


def serve_broker(  # noqa: PLR0913, PLR0917  # the options of the command
    fd: Descriptor,
    control: Control,
    configurators: Configurators,
    grpc: Annotated[str, typer.Option("--grpc", help="host:port of the gRPC edge.")],
    line: Line = "",
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    directory: Dir = DIR,
) -> None:
    """The broker: accepts events."""
    from bobr.app import Lines, run_broker
    from bobr.runtime.tls import tls_files

    lines = Lines(control=control, own=line or control, configurators=tuple(configurators))
    run_broker(directory, fd, grpc, lines, tls_files(tls_cert, tls_key, tls_client_ca))


def serve_transmitter(  # noqa: PLR0913, PLR0917  # the options of the command
    control: Control,
    configurators: Configurators,
    line: Line = "",
    metrics_fd: MetricsDescriptor = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    directory: Dir = DIR,
) -> None:
    """The transmitter: streams to tables."""
    from bobr.app import Lines, Metrics, run_transmitter
    from bobr.runtime.tls import tls_files

    lines = Lines(control=control, own=line or control, configurators=tuple(configurators))
    tls = tls_files(tls_cert, tls_key, tls_client_ca)
    run_transmitter(directory, lines, Metrics(fd=metrics_fd, tls=tls))
