"""A writer that kills itself, run as a process: `killed_writer.py WAREHOUSE URL START END POINT`.

It opens the table `t`, writes the rows from START to END and commits them, and dies of SIGKILL when
it comes to POINT (see `POINTS`). A point that is never reached ends it with status 3.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy import make_url

from bobr.testing.sink_contract import at, row, schema_of, write
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.client import IcebergTable
from bobr.transmitter.sinks.iceberg.files import StagedFiles, TableFile

POINTS: dict[str, tuple[type, str, bool]] = {
    "rows are staged": (StagedFiles, "write", True),
    "a file is finished": (TableFile, "finish", True),
    "all files are durable": (StagedFiles, "finish", True),
    "manifests are written": (SqlCatalog, "commit_table", False),
    "metadata is written": (SqlCatalog, "_write_metadata", True),
    "the catalog is changed": (SqlCatalog, "commit_table", True),
    "the commit is known": (IcebergTable, "append", True),
}
"""What was just done → the call, and whether to die behind it (or before)."""


def main(warehouse: str, url: str, start: int, end: int, point: str) -> None:
    config = IcebergConfig(url=make_url(url), warehouse=Path(warehouse))
    sink = IcebergSink(config, "t")
    sink.open(schema_of())
    kill_at(point)
    write(sink, schema_of(), [row(offset) for offset in range(start, end)])
    sink.commit(at(end))
    sys.exit(3)


def kill_at(point: str) -> None:
    owner, name, behind = POINTS[point]
    call: Callable[..., Any] = getattr(owner, name)

    def deadly(*args: Any, **options: Any) -> None:
        if behind:
            call(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, staticmethod(deadly) if name == "_write_metadata" else deadly)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
