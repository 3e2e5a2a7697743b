"""Secrets that stand in clear text, where everybody who reads the repository sees them. Pure."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from bobr.catalog.change import Kind
from bobr.catalog.config import Fault, Path
from bobr.catalog.keys import ANYWHERE, holds_key
from bobr.catalog.model import KEYS_MAX, Destination, Principal
from bobr.catalog.references import REFERENCE, is_whole

SECRET_WORDS = ("password", "passwd", "secret", "token", "access_key", "credential")
_SECRETS = {
    "an API key": ANYWHERE,
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"),
}
_TELL = "write a reference such as ${env:NAME} or ${file:/run/secrets/name}"


def check_destination(destination: Destination) -> Iterator[Fault]:
    """Secrets in clear text, and places that no other part can find."""
    path = (Kind.DESTINATION.member, destination.name)
    if destination.catalog is not None:
        at = (*path, "catalog")
        if (password := destination.catalog.password) is not None and not is_whole(password):
            words = f"a password in clear text: {_TELL}"
            yield Fault(path=(*at, "password"), rule="secret", message=words)
        yield from _check_uri((*at, "uri"), destination.catalog.uri)
    for member in ("warehouse", "namespace"):
        text = getattr(destination, member)
        yield from _check_text((*path, member), text or "")
    if destination.warehouse is not None and not destination.warehouse.startswith(("/", "${")):
        words = f"{destination.warehouse!r} is no absolute path: the part that writes there runs elsewhere"
        yield Fault(path=(*path, "warehouse"), rule="wrong-value", message=words)


def check_principal(principal: Principal) -> Iterator[Fault]:
    """Keys in clear text, and such as nobody can have."""
    path = (Kind.PRINCIPAL.member, principal.name, "keys")
    for index, key in enumerate(principal.keys):
        at = (*path, str(index), "sha256")
        if holds_key(key.sha256):
            words = "a key in clear text, which is no secret any more: make another with `bobr key create --offline`"
            yield Fault(path=at, rule="secret", message=words)
        elif not _SHA256.fullmatch(key.sha256):
            words = "this is no SHA-256, which has 64 digits of 0-9 and a-f: `bobr key create --offline` prints one"
            yield Fault(path=at, rule="wrong-value", message=words)
    if len(principal.keys) > KEYS_MAX:
        words = f"{len(principal.keys)} keys: {KEYS_MAX} at most, the old one and the new one: revoke one first"
        yield Fault(path=path, rule="wrong-value", message=words)


_SHA256 = re.compile(r"[0-9a-f]{64}")


def _check_uri(path: Path, uri: str) -> Iterator[Fault]:
    bare = REFERENCE.sub("", uri)
    try:
        parts = urlsplit(bare)
        secret = bool(parts.password) or any(
            value and any(word in key.lower() for word in SECRET_WORDS)
            for key, value in parse_qsl(parts.query)
        )
    except ValueError as error:
        yield Fault(path=path, rule="wrong-value", message=f"this is no URI: {error}")
        return
    if secret:
        yield Fault(path=path, rule="secret", message=f"a password in clear text: {_TELL}")
    yield from _check_text(path, uri)


def _check_text(path: Path, text: str) -> Iterator[Fault]:
    for what, form in _SECRETS.items():
        if form.search(text):
            yield Fault(path=path, rule="secret", message=f"{what} in clear text: {_TELL}")
