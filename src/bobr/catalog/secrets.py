"""Secrets that stand in clear text, where everybody who reads the repository sees them. Pure.

They are told, and nowhere shown: what is said of a wrong value ends in logs of builds, which more people read.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from bobr.catalog.change import Kind
from bobr.catalog.config import Fault, Path
from bobr.catalog.keys import LIKE_A_KEY, holds_key, without_keys
from bobr.catalog.model import KEYS_MAX, Destination, Principal
from bobr.catalog.references import REFERENCE, faulty, is_whole
from bobr.errors import CONTROL

SECRET_WORDS = ("password", "passwd", "secret", "token", "access_key", "credential")
_SECRETS = {
    "an API key": LIKE_A_KEY,
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    # of a JWT: it is looked for once in each run of its characters, and only if a dot and more follow
    "a token": re.compile(
        r"\bgh[pousr]_[A-Za-z0-9]{30,}"
        r"|(?<![\w-])(?=[\w-]++\.[\w-]{10})[\w-]*?\beyJ[\w-]{10,}\.[\w-]{10,}(\.[\w-]*)?"
    ),
}
SHOWN_CHARACTERS_MAX = 80
"""Of a wrong value."""
LOOKED_AT_CHARACTERS_MAX = 4_096
"""Of a wrong value that is to be shown: a secret that begins where it is shown ends there."""
_HIDDEN = "…"
# All are bounded: what is looked at may be megabytes that somebody has made for that.
_WORDS = "|".join(SECRET_WORDS)
_OF_A_URI = re.compile(r"://[^\s/:@]{0,256}:.{1,1024}@", re.DOTALL)
"""User and password, up to the last @: in a password that is not written as URIs want it may be anything."""
_IN_A_SENTENCE = re.compile(r"://[^\s/:@]{0,256}:\S{1,1024}@")
_SAID = re.compile(
    rf"(({_WORDS})\w{{0,64}}['\"]?\s{{0,8}}[=:]\s{{0,8}}).+", re.DOTALL | re.IGNORECASE
)
"""`password=…` in a query, in libpq's own form or in YAML's, up to the end: quotes may stand in it."""
_SAID_IN_A_SENTENCE = re.compile(
    rf"(({_WORDS})\w{{0,64}}\s{{0,8}}=\s{{0,8}})(?!…)('[^']{{0,1024}}'|\S{{1,1024}})", re.IGNORECASE
)
_REFERRING = ("warehouse", "catalog", "uri", "password")
"""Members of a destination in which references may stand."""
_ELSEWHERE = "which is no secret any more: replace it, and write none here"
_TELL = "write a reference such as ${env:NAME} or ${file:/run/secrets/name}"


def shown(value: object) -> str:
    """A wrong value, in short, and without the secrets that may stand in it."""
    text = repr(_bare(value))
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"


def _bare(value: object) -> object:
    if isinstance(value, str):
        return _of_value(value[:LOOKED_AT_CHARACTERS_MAX])
    if isinstance(value, Mapping):
        return {
            _bare(key): _HIDDEN if _SECRET_MEMBER.search(str(key)) else _bare(each)
            for key, each in value.items()
        }
    return [_bare(each) for each in value] if isinstance(value, list) else value


_SECRET_MEMBER = re.compile(rf"{_WORDS}|^keys$", re.IGNORECASE)


def _of_value(text: str) -> str:
    return without_secrets(_SAID.sub(rf"\1{_HIDDEN}", _OF_A_URI.sub(f"://{_HIDDEN}@", text)))


def of_member(name: str, value: object) -> object:
    """What an object has as that member, to be shown: references stay, and secrets do not, which may be refused yet."""
    if isinstance(value, Mapping):
        return {each: of_member(each, its) for each, its in value.items()}
    if isinstance(value, list):
        return [of_member(name, each) for each in value]
    if not isinstance(value, str) or is_whole(value):
        return value
    bare = REFERENCE.sub("", value)
    if name in _REFERRING:
        return _HIDDEN if name in SECRET_WORDS or _of_value(bare) != bare else value
    shows = _OF_A_URI.search(bare) or any(form.search(bare) for form in _SECRETS.values())
    return _HIDDEN if shows else value  # `where` may speak of a password


def without_secrets(text: str) -> str:
    """The text without what looks like a secret. It may be a sentence, of which the rest stays."""
    text = _IN_A_SENTENCE.sub(f"://{_HIDDEN}@", without_keys(text))
    text = _SAID_IN_A_SENTENCE.sub(rf"\1{_HIDDEN}", text)
    for form in _SECRETS.values():
        text = form.sub(_HIDDEN, text)
    return text


def check_wrong(path: Path, text: str) -> Iterator[Fault]:
    """Secrets in a text that stands where it does not belong, so that nothing else looks at it."""
    if _OF_A_URI.search(text) or _SAID.search(text):
        can_refer = path[:1] == (Kind.DESTINATION.member,) and path[-1] in _REFERRING
        words = f": {_TELL}" if can_refer else f", {_ELSEWHERE}"
        yield Fault(path=path, rule="secret", message=f"a password in clear text{words}")
    for what, form in _SECRETS.items():
        if form.search(text):
            yield Fault(path=path, rule="secret", message=f"{what} in clear text, {_ELSEWHERE}")


def check_references(path: Path, text: str) -> Iterator[Fault]:
    """What looks like a reference and is none, where one may stand."""
    if wrong := faulty(text):
        words = (
            f"{shown(wrong[0])} is no reference: write ${{env:NAME}} or ${{file:/absolute/path}}"
        )
        yield Fault(path=path, rule="reference", message=words)


def check_destination(destination: Destination) -> Iterator[Fault]:
    """Secrets in clear text, references that are none, and places that no other part can find."""
    path = (Kind.DESTINATION.member, destination.name)
    yield from _check_characters((*path, "warehouse"), destination.warehouse or "")
    if destination.catalog is not None:
        at = (*path, "catalog")
        if (password := destination.catalog.password) is not None and not is_whole(password):
            words = f"a password in clear text: {_TELL}"
            yield Fault(path=(*at, "password"), rule="secret", message=words)
        yield from _check_characters((*at, "password"), password or "")
        yield from _check_characters((*at, "uri"), destination.catalog.uri)
        yield from check_references((*at, "password"), destination.catalog.password or "")
        yield from _check_uri((*at, "uri"), destination.catalog.uri)
        yield from _check_catalog_uri((*at, "uri"), destination.catalog.uri)
    yield from _check_uri((*path, "warehouse"), destination.warehouse or "")
    yield from _check_text((*path, "namespace"), destination.namespace)
    if destination.warehouse is not None and not destination.warehouse.startswith(("/", "${")):
        words = f"{shown(destination.warehouse)} is no absolute path: the part that writes there runs elsewhere"
        yield Fault(path=(*path, "warehouse"), rule="wrong-value", message=words)


def _check_characters(path: Path, text: str) -> Iterator[Fault]:
    """Such as no path and no server has in its name, and which command the terminals of those who read it."""
    if found := CONTROL.search(text):
        words = f"{found[0]!r} is a control character, at {found.start()}: leave it out"
        yield Fault(path=path, rule="wrong-value", message=words)


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
    yield from check_references(path, uri)
    bare = REFERENCE.sub("", uri)
    if _has_password(bare):
        yield Fault(path=path, rule="secret", message=f"a password in clear text: {_TELL}")
    elif not _can_be(bare):
        yield Fault(path=path, rule="wrong-value", message="this is no URI")
        return
    yield from _check_text(path, uri)


_USER_AND_PASSWORD = re.compile(r"[^:/]*:[^@]+@")
"""As SQLAlchemy reads them, which connects: of a password / and # are characters as others are."""


def _has_password(bare: str) -> bool:
    """bare: without its references; the first of them may have brought what stands before the user."""
    _, sign, rest = bare.partition("://")
    query = parse_qsl(bare.partition("?")[2])
    return _USER_AND_PASSWORD.match(rest if sign else bare) is not None or any(
        value and any(word in key.lower() for word in SECRET_WORDS) for key, value in query
    )


def _can_be(bare: str) -> bool:
    """Whether it is a URI, whose port is a number. Why not is not told: the words may show a password."""
    try:
        _ = urlsplit(bare).port
    except ValueError:
        return False
    return True


_POSTGRESQL, _SQLITE = r"postgresql(\+psycopg2?)?://", r"sqlite(\+pysqlite)?://"
"""Other drivers are not driven as ours are, such as asyncpg, or by nobody."""
_CATALOG_URI = re.compile(rf"{_POSTGRESQL}.+|{_SQLITE}//.*[^/]", re.DOTALL)
"""What ends with a stroke is a folder."""
_WITH_REFERENCES = re.compile(rf"({_POSTGRESQL}|{_SQLITE}|[^:]*\$\{{).*", re.DOTALL)
"""Whose scheme may be one, or is not known."""


def _check_catalog_uri(path: Path, uri: str) -> Iterator[Fault]:
    """Whether a catalog can be there, as far as its text says. What references name is known to the part alone."""
    form = _WITH_REFERENCES if "${" in uri else _CATALOG_URI
    if not form.fullmatch(uri):
        words = (
            "this is the URI of no catalog: it is such as postgresql+psycopg://user@host/database, or "
            "sqlite:////srv/lake/catalog.db with the absolute path of a file"
        )
        kind = (*path[:-1], "type")
        yield Fault(path=path, rule="wrong-value", message=words, rests_on=(kind,))


def _check_text(path: Path, text: str) -> Iterator[Fault]:
    for what, form in _SECRETS.items():
        if form.search(text):
            yield Fault(path=path, rule="secret", message=f"{what} in clear text: {_TELL}")
