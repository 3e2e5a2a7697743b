"""Every line that a part writes to its log is one JSON object, whoever wrote it."""

import json
import subprocess
import sys

ODD = 'it\'s "quoted"\nand broken, with ünïcode \x00'

SCRIPT = f"""
import logging, warnings
import structlog
from bobr.runtime.logs import log_json

log_json("broker")
structlog.get_logger().info({ODD!r}, stream="carts")
foreign = logging.getLogger("uvicorn.error")
foreign.warning("%s", {ODD!r})
foreign.critical({{"not": "a text"}})
foreign.info("below what is told of libraries")
warnings.warn({ODD!r})
try:
    raise ValueError({ODD!r})
except ValueError:
    foreign.exception("failed: %r", {ODD!r})
    structlog.get_logger().exception({ODD!r})
"""


def test_lines_of_libraries_are_json_as_our_own() -> None:
    done = subprocess.run(
        (sys.executable, "-c", SCRIPT), capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == [
        *("info", "warning", "critical", "warning", "error", "error")
    ]
    assert {line["part"] for line in lines} == {"broker"}
    assert all(line["timestamp"] for line in lines)
    ours, theirs, odd, warned, failed, ours_failed = lines
    assert ours["event"] == theirs["event"] == ODD
    assert theirs["logger"] == failed["logger"] == "uvicorn.error"
    assert "a text" in str(odd["event"])
    assert ODD.splitlines()[0] in warned["event"]
    assert failed["exception"].startswith("Traceback")
    assert ours_failed["exception"].startswith("Traceback")


def test_a_record_that_does_not_fit_its_arguments_is_one_line_too() -> None:
    script = (
        "import logging; from bobr.runtime.logs import log_json; log_json('broker');"
        "logging.getLogger('some').warning('%d events', 'no number')"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    line = json.loads(done.stderr)
    assert (line["logger"], line["event"], line["level"]) == ("some", "%d events", "warning")
    assert "no number" in line["args"]
