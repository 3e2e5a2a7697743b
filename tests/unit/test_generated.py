"""The generated code is what proto/bobr/v1 says today."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(each.stem for each in (ROOT / "proto/bobr/v1").iterdir()))
def test_generated_code_is_fresh(name: str, tmp_path: Path) -> None:
    arguments = ["-Iproto", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", *arguments, f"proto/bobr/v1/{name}.proto"]
    subprocess.run(protoc, check=True, cwd=ROOT)
    for suffix in (".py", ".pyi"):
        generated = (tmp_path / f"bobr/v1/{name}_pb2{suffix}").read_text()
        kept = (ROOT / f"src/bobr/v1/{name}_pb2{suffix}").read_text()
        assert kept == generated, "run `make proto`"
