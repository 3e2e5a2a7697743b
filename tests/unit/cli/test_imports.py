"""What `bobr --help` does not pay for."""

import subprocess
import sys

HEAVY = (
    "structlog",
    "pyarrow",
    "httpx2",
    "rich",
    "pydantic",
    "grpc",
    "duckdb",
    "importlib.metadata",
)


def test_the_commands_are_there_without_what_they_need() -> None:
    """Heavy imports are inside the commands; 0.1 s instead of seconds."""
    code = (
        f"import sys, bobr.cli; bobr.cli.build(); print(*sorted(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
