"""Structured logs of a part: one JSON object a line, on stderr, whoever writes it."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import TextIO, cast

import structlog


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
    """Send every log line of this process, ours and the libraries' warnings, to stderr as JSON."""
    shared: list[structlog.typing.Processor] = [
        _naming(part),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    stderr = cast(TextIO, _Stderr())
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=stderr),
        cache_logger_on_first_use=True,
    )
    foreign = _Foreign(stderr)
    foreign.setFormatter(_foreign(shared))
    foreign.addFilter(_shorten)
    logging.basicConfig(level=logging.WARNING, handlers=[foreign], force=True)
    logging.captureWarnings(True)


def _foreign(shared: Sequence[structlog.typing.Processor]) -> logging.Formatter:
    """Renders the records of libraries, which log by the standard library, as our own lines are."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
