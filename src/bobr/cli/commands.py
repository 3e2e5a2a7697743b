"""All commands of `bobr`, and what it says without one.

Heavy imports are inside the commands: `bobr --help` must be fast.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from bobr.cli.configure import apply, plan, validate
from bobr.cli.deliver import deliver
from bobr.cli.ending import told
from bobr.cli.imports import imports
from bobr.cli.init import init, schema_of
from bobr.cli.keys import create, list_keys, recover, revoke, rotate
from bobr.cli.options import KEY, KEY_FILE
from bobr.cli.publish import publish
from bobr.cli.read import SqlCommand, sql, tail
from bobr.cli.revisions import diff, history, rollback, show
from bobr.cli.serve import serve_broker, serve_configurator, serve_controller, serve_transmitter
from bobr.cli.status import flush, status
from bobr.cli.streams import pause, resume, show_delivery, show_stream, streams
from bobr.cli.up import down, up

CONFIGURATION = (init, validate, plan, apply, history, diff, show, rollback)


def build() -> typer.Typer:
    """All commands, in the order in which a new user needs them."""
    app = typer.Typer(
        name="bobr",
        callback=bobr,
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    seeing = (tail, status, streams)
    for command in (up, deliver, publish, flush, sql, *seeing, *CONFIGURATION, imports, down):
        app.command(cls=SqlCommand if command is sql else None)(told(command))
    app.command("schema-of")(told(schema_of))
    stream = typer.Typer(help="One stream.", no_args_is_help=True)
    stream.command("show")(told(show_stream))
    app.add_typer(stream, name="stream")
    delivery = typer.Typer(help="One delivery.", no_args_is_help=True)
    for name, act in (("show", show_delivery), ("pause", pause), ("resume", resume)):
        delivery.command(name)(told(act))
    app.add_typer(delivery, name="delivery")
    key = typer.Typer(help="API keys: who may publish, read and configure what.")
    for name, each in (
        ("create", create),
        ("rotate", rotate),
        ("revoke", revoke),
        ("recover", recover),
        ("list", list_keys),
    ):
        key.command(name)(told(each))
    app.add_typer(key, name="key")
    serve = typer.Typer(help="Run one part in this process; `bobr up` starts and supervises them.")
    for name, part in (
        ("controller", serve_controller),
        ("configurator", serve_configurator),
        ("broker", serve_broker),
        ("transmitter", serve_transmitter),
    ):
        serve.command(name)(told(part, part=True))
    app.add_typer(serve, name="serve", hidden=True)
    return app


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bobr {version('bobr')}")
        raise typer.Exit


def bobr(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="File with the API key to call with; or BOBR_KEY has it.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Bobr, the broker of brokers: typed events in, tables out."""
    if key_file is not None:
        os.environ[KEY_FILE] = str(key_file)
        os.environ.pop(KEY, None)  # what is typed goes before what was exported
