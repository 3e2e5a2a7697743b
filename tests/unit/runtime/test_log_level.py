"""The log level of the catalog, taken up while loggers are in use."""

import json
import subprocess
import sys

SCRIPT = """
import logging
import structlog
from bobr.catalog import Catalog, LogLevel, Settings
from bobr.runtime.logs import follow_log_level, log_json

log_json("broker")
kept = structlog.get_logger()
library = logging.getLogger("some.library")

def say(when):
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(kept, level)(f"{when} ours")
        getattr(library, level)(f"{when} theirs")
    try:
        raise ValueError
    except ValueError:
        kept.exception(f"{when} exception")

say("default")
for level in LogLevel:
    follow_log_level(Catalog(settings=Settings(log_level=level)))
    say(level)
"""
OURS = {
    "default": ["info", "warning", "error", "critical"],
    "debug": ["debug", "info", "warning", "error", "critical"],
    "info": ["info", "warning", "error", "critical"],
    "warning": ["warning", "error", "critical"],
    "error": ["error", "critical"],
}
THEIRS = {
    "default": ["warning", "error", "critical"],
    "debug": ["info", "warning", "error", "critical"],  # and not their own debugging
    "info": ["warning", "error", "critical"],
    "warning": ["warning", "error", "critical"],
    "error": ["error", "critical"],
}


def test_lines_below_the_level_are_not_written_as_soon_as_it_is_set() -> None:
    done = subprocess.run(
        (sys.executable, "-c", SCRIPT), capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    for when, levels in OURS.items():
        said = [line["level"] for line in lines if line["event"] == f"{when} ours"]
        assert said == levels, when
        assert [line["event"] for line in lines].count(f"{when} exception") == 1
    for when, levels in THEIRS.items():
        said = [line["level"] for line in lines if line["event"] == f"{when} theirs"]
        assert said == levels, when
