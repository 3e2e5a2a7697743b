"""`bobr up` and `bobr down`: the whole system, started and ended."""

import contextlib
import os
import sys
from typing import Annotated

import typer

from bobr.cli import interrupts_end, interrupts_raise
from bobr.cli.options import CATALOG, DIR, URL, Catalog, Dir, TlsCert, TlsClientCa, TlsKey, waiting
from bobr.errors import MisconfiguredError


def up(  # noqa: PLR0913, PLR0917  # the options of the command
    directory: Dir = DIR,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0: all of the machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            help="HTTP; gRPC, the controller and the parts take the next five. 0: free ones.",
            min=0,
            max=65531,
        ),
    ] = 7070,
    catalog: Catalog = "",
    metrics_port: Annotated[
        int,
        typer.Option(
            help="Metrics of the transmitter; the configurator takes the next. 0: free ones. Broker and controller "
            "tell theirs on their HTTP ports.",
            min=0,
            max=65534,
        ),
    ] = 0,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready.")] = False,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
) -> None:
    """Start the whole system: broker, transmitter, configurator, controller and registry, on embedded engines.

    Certificates are read again when their files change.

    Ctrl-C or `bobr down` ends it well; what was accepted is kept, and delivered after the next start.

    Example: bobr up --dir /var/lib/bobr --port 7070 --detach
    """
    interrupts_end()  # nothing is to be put in order before `run_system` hears of it by itself
    from bobr.runtime.folder import Folder
    from bobr.runtime.system import run_system, start_detached
    from bobr.runtime.tls import tls_files

    address = _address(host)
    tls = tls_files(tls_cert, tls_key, tls_client_ca)
    os.environ[CATALOG] = catalog
    if detach:
        interrupts_raise()
        start_detached(Folder(root=directory), address, port, _say, metrics_port, tls)
    else:
        run_system(Folder(root=directory), address, port, _say, metrics_port, tls)


def _address(host: str) -> str:
    """Without the brackets that an IPv6 address has in a URL.

    MisconfiguredError: it is empty, as of a variable that is not set. For a socket that is every address there is.
    """
    address = host.strip()
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if not address:
        message = "--host is empty: give the address to listen on, or leave it out for 127.0.0.1; 0.0.0.0 is all"
        raise MisconfiguredError(message)
    return address


def down(
    directory: Dir = DIR,
    timeout: Annotated[float, waiting("Seconds to wait at most.")] = 60.0,
) -> None:
    """End the running system well, and wait until it has ended.

    Exit status 0 also when none runs in the data folder, or there is no such folder: it is down, and stderr says so.
    BOBR_URL is not looked at.

    Example: bobr down --dir /var/lib/bobr
    """
    from bobr.runtime.folder import Folder, is_held
    from bobr.runtime.system import stop_system

    if url := os.environ.get(URL, "").strip():
        where = url.rpartition("@")[2]  # a password may stand before it
        print(
            f"bobr: {URL} is {where}, but down ends what runs in {directory} alone", file=sys.stderr
        )
    folder = Folder(root=directory)
    if not is_held(folder):
        more = "" if directory.is_dir() else ": there is no such folder"
        print(f"bobr: no system runs in {directory}{more}", file=sys.stderr)
        return
    stop_system(folder, timeout)


def _say(line: str) -> None:
    """The system goes on when nobody can hear it: the terminal is gone, lacks a letter, or the log's disk is full."""
    with contextlib.suppress(OSError, UnicodeEncodeError):
        print(line, flush=True, file=sys.stdout)
