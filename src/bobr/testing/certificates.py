"""Certificates of the test run's own, made by the `openssl` program: authorities, and what they sign."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path

    def replace_with(self, other: "Signed") -> None:
        """Its files hold the other from now on: first one of them, then the second, as any program would write them."""
        for mine, its in ((self.certificate, other.certificate), (self.key, other.key)):
            new = mine.with_suffix(".new")
            new.write_bytes(its.read_bytes())
            new.replace(mine)


def authority(folder: Path, name: str) -> Signed:
    """One that signs."""
    return _made(folder, name, ("basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"))


def signed(by: Signed, folder: Path, name: str, use: str = "serverAuth") -> Signed:
    """For `localhost` and 127.0.0.1. use: `serverAuth` or `clientAuth`, and no other."""
    extensions = (
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "basicConstraints=critical,CA:FALSE",
        f"extendedKeyUsage={use}",
    )
    return _made(folder, name, extensions, "-CA", str(by.certificate), "-CAkey", str(by.key))


def _made(folder: Path, name: str, extensions: tuple[str, ...], *words: str) -> Signed:
    made = Signed(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")
    extended = [word for each in extensions for word in ("-addext", each)]
    where = ("-out", str(made.certificate), "-keyout", str(made.key), "-subj", f"/CN={name}")
    subprocess.run(
        ("openssl", "req", "-x509", *EC, *where, *extended, *words),  # as installed
        check=True,
        capture_output=True,
    )
    return made
