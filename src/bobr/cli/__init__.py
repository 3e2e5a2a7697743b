"""The command line: data on stdout, words and progress on stderr, an exit status that a script can use.

0: done. 1: done, but not for all (events refused, tables behind). 2: not done, the message says why.
Heavy imports are inside the commands: `bobr --help` must be fast.
"""

import sys

import typer

from bobr.cli.deliver import deliver
from bobr.cli.options import EXIT_FAILED
from bobr.cli.publish import publish
from bobr.cli.read import sql, tail
from bobr.cli.serve import serve_broker, serve_controller, serve_transmitter
from bobr.cli.status import flush, status
from bobr.cli.up import down, up
from bobr.errors import BobrError, MisconfiguredError
from bobr.runtime.supervisor import EXIT_MISCONFIGURED


def build() -> typer.Typer:
    """All commands, in the order in which a new user needs them."""
    app = typer.Typer(
        name="bobr",
        help="Bobr, the broker of brokers: typed events in, tables out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for command in (up, deliver, publish, flush, sql, tail, status, down):
        app.command()(command)
    serve = typer.Typer(help="Run one part in this process; `bobr up` starts and supervises them.")
    for name, part in (
        ("controller", serve_controller),
        ("broker", serve_broker),
        ("transmitter", serve_transmitter),
    ):
        serve.command(name)(part)
    app.add_typer(serve, name="serve", hidden=True)
    return app


def main() -> None:
    """Run the command of `sys.argv`."""
    try:
        build()()
    except MisconfiguredError as error:
        _fail(error, EXIT_MISCONFIGURED if "serve" in sys.argv[1:2] else EXIT_FAILED)
    except BobrError as error:
        _fail(error, EXIT_FAILED)
    except BrokenPipeError:  # `bobr tail | head`
        sys.stderr.close()
        sys.exit(0)


def _fail(error: BobrError, status: int) -> None:
    out = sys.stdout if status == EXIT_MISCONFIGURED else sys.stderr  # the supervisor reads stdout
    print(f"bobr: {error}", file=out, flush=True)
    sys.exit(status)
