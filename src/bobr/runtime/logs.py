"""Structured logs of a part: one JSON object a line, on stderr, whoever writes it."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import TextIO, cast

import structlog

from bobr.catalog import Catalog, LogLevel

OURS = "bobr"
"""The logger of the standard library whose level is that of our own lines."""
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
}
"""Of structlog's methods."""


class _Stderr:
    """Stderr for a part that goes on when its log's disk is full: such lines are lost, events never are."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


class _Foreign(logging.StreamHandler[TextIO]):
    """Of libraries' records. One that does not fit its arguments becomes a line, too, not a traceback over many."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        structlog.get_logger().warning(str(record.msg), logger=record.name, args=repr(record.args))


def _shorten(record: logging.LogRecord) -> bool:
    """That a gRPC client went away before its answer is no error, and where gRPC noticed it says nothing."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is not None and kind.__name__ == "ExecuteBatchError":
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _naming(part: str) -> structlog.typing.Processor:
    def add_part(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["part"] = part
        return event

    return add_part


def keep_grpc_quiet() -> None:
    """Before it is imported: its core writes lines of another form about each mistake of a client."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def log_json(part: str) -> None:
    """Send every log line of this process, ours and the libraries' warnings, to stderr as JSON.

    From the level `info` on, until `set_log_level` says another.
    """
    shared: list[structlog.typing.Processor] = [
        _naming(part),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    stderr = cast(TextIO, _Stderr())
    structlog.configure(
        processors=[_drop_below, *shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=stderr),
        cache_logger_on_first_use=True,
    )
    foreign = _Foreign(stderr)
    foreign.setFormatter(_foreign(shared))
    foreign.addFilter(_shorten)
    logging.basicConfig(level=logging.WARNING, handlers=[foreign], force=True)
    logging.captureWarnings(True)
    set_log_level(LogLevel.INFO)


def set_log_level(level: LogLevel) -> None:
    """From now on, in all threads. Libraries tell of warnings and worse as long as these are told, at `debug` of more.

    Never of their own debugging: HTTP's would show the secret of the parts.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger(OURS).setLevel(number)
    theirs = logging.INFO if level is LogLevel.DEBUG else max(number, logging.WARNING)
    logging.getLogger().setLevel(theirs)


def follow_log_level(catalog: Catalog) -> None:
    """Log as the catalog says, which is in force now."""
    set_log_level(catalog.settings.log_level)


def _drop_below(
    _logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """structlog's own filter is built into loggers, which are kept: it can not change while they are used."""
    number = LEVELS[method]
    if not logging.getLogger(OURS).isEnabledFor(number):
        raise structlog.DropEvent
    return event


def _foreign(shared: Sequence[structlog.typing.Processor]) -> logging.Formatter:
    """Renders the records of libraries, which log by the standard library, as our own lines are."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
