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


CLIENTS = """
import socket
from bobr.runtime.logs import keep_grpc_quiet

keep_grpc_quiet()
import grpc
server = grpc.server(None)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with socket.create_connection(("127.0.0.1", port)) as client:
    head = b"".join(
        b"\\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        for name, value in ((b":method", b"POST"), (b":path", b"/"), (b"grpc-timeout", b"junk"))
    )
    client.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + b"\\0\\0\\0\\4" + bytes(5))
    client.sendall(len(head).to_bytes(3) + b"\\1\\5\\0\\0\\0\\1" + head)
    client.shutdown(socket.SHUT_WR)
    while client.recv(65536):
        pass
server.stop(None).wait()
"""


def test_mistakes_of_grpc_clients_are_no_lines_of_another_form() -> None:
    done = subprocess.run(
        (sys.executable, "-c", CLIENTS), capture_output=True, text=True, check=True
    )
    assert not done.stderr


def test_a_grpc_client_that_went_away_is_a_short_warning() -> None:
    script = (
        "import logging; from bobr.runtime.logs import log_json; log_json('broker')\n"
        "class ExecuteBatchError(Exception): pass\n"
        "try: raise ExecuteBatchError\n"
        "except Exception: logging.getLogger('grpc').exception('raised in core')"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    line = json.loads(done.stderr)
    assert (line["event"], line["level"], "exception" in line) == (
        "raised in core",
        "warning",
        False,
    )
