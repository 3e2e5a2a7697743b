"""What `bobr --help` and `bobr up` do not pay for."""

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


def loaded(code: str, modules: tuple[str, ...]) -> list[str]:
    """Which of the modules are there after this code."""
    code = f"import sys, {code}; print(*sorted(set({modules}) & set(sys.modules)))"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_commands_are_there_without_what_they_need() -> None:
    """Heavy imports are inside the commands; 0.1 s instead of seconds."""
    assert loaded("bobr.cli.commands; bobr.cli.commands.build()", HEAVY) == []


def test_the_transmitter_is_ready_before_its_sinks_are() -> None:
    """They take a second of a core, while the broker starts on it; pandas comes with the first array."""
    heavy = ("pyiceberg", "sqlalchemy", "duckdb", "pandas")
    assert loaded("bobr.app, bobr.transmitter.part, bobr.log.sqlite", heavy) == []
    assert "duckdb" not in loaded("bobr.transmitter.sinks.iceberg", heavy)
