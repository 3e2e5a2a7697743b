"""`bobr key`: API keys, made here and shown once. Only their digests are sent."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Catalog, Dir, Json, Options
from bobr.errors import BobrError, ExistsError, RejectedError

if TYPE_CHECKING:
    from bobr.cli.system import Controller

OPTIONS: Options = {
    "publish": "--publish",
    "read": "--read",
    "configure": "--configure",
    "tables": "--tables",
    "events_per_second": "--events-per-second",
    "bytes_per_second": "--bytes-per-second",
}
Name = Annotated[str, typer.Argument(help="Of the principal: the program or person that calls.")]
Streams = Annotated[
    list[str] | None,
    typer.Option(help="A stream, orders-* for all that begin so, * for all. Can be given again."),
]

Tables = Annotated[
    list[str] | None,
    typer.Option(
        help="A table that it may have its streams delivered to: lake/shop.orders, lake/shop.* for all that begin so, "
        "lake/* for all of a destination, * for all. Can be given again."
    ),
]


def create(  # noqa: PLR0913, PLR0917  # the options of the command
    name: Name,
    publish: Streams = None,
    read: Streams = None,
    configure: Streams = None,
    tables: Tables = None,
    events_per_second: Annotated[
        float | None, typer.Option(help="That it may publish, with all its keys together.")
    ] = None,
    bytes_per_second: Annotated[float | None, typer.Option(help="Likewise.")] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Ask no system: print what stands in files, on stderr."),
    ] = False,
    directory: Dir = DIR,
) -> None:
    """Make a principal with its first key, which is printed once and kept nowhere.

    The first one of a system closes it: from then on every call needs a key. So it has to have --configure '*'. Exit
    status 1: it is made, but some part does not know it yet.

    Example: bobr key create ops --publish '*' --read '*' --configure '*'
    """
    from bobr.catalog.keys import digest

    key = _new_key(name)
    declared: dict[str, Any] = {
        "keys": [{"sha256": digest(key), "created": _now()}],
        "publish": publish or None,
        "read": read or None,
        "configure": configure or None,
        "tables": tables or None,
        "events_per_second": events_per_second,
        "bytes_per_second": bytes_per_second,
    }
    declared = {member: value for member, value in declared.items() if value is not None}
    _check(name, declared)
    if offline:
        _tell_file(name, declared)
        print(key)
        return
    from bobr.cli.system import controller

    with controller(directory, OPTIONS) as system:
        try:
            answer = system.put(f"/v1/principals/{name}?create_only=1&{_author()}", declared)
        except ExistsError as error:
            raise RejectedError(f"{error}: {_another_key(system, name)}") from error
    print(key)
    _end(answer)


def rotate(name: Name, directory: Dir = DIR) -> None:
    """Give a principal a second key, which is printed once. The old one stays good until it is revoked.

    Example: bobr key rotate shop
    """
    from bobr.catalog.keys import digest, new_key
    from bobr.cli.system import controller

    key = new_key(name)
    body = {"sha256": digest(key), "created": _now()}
    with controller(directory) as system:
        answer = system.post(f"/v1/principals/{_quoted(name)}/keys?{_author()}", body)
    print(key)
    _end(answer)


def revoke(
    name: Name,
    key: Annotated[str, typer.Argument(help="Its id, as `bobr key list` shows it.")],
    directory: Dir = DIR,
) -> None:
    """Refuse a key from now on: calls with it, and streams that it has open.

    Example: bobr key revoke shop 1f3a9c02
    """
    from bobr.cli.system import controller

    with controller(directory) as system:
        answer = system.delete(f"/v1/principals/{_quoted(name)}/keys/{_quoted(key)}?{_author()}")
    _end(answer)


def recover(name: Name, catalog: Catalog = "", directory: Dir = DIR) -> None:
    """Make an administrator where the last key is lost: in the database of the configuration, without a key.

    For who may write that database: the data folder's own, or the one that `bobr up --catalog` names. A system that
    runs knows the key a second later.

    Example: bobr key recover rescue
    """
    from bobr.app import add_administrator
    from bobr.catalog.keys import digest
    from bobr.cli.origin import author_here

    key = _new_key(name)
    add_administrator(directory, catalog, name, digest(key), author_here(Path()))
    print(key)


def list_keys(directory: Dir = DIR, as_json: Json = False) -> None:
    """List principals, their keys by id, and what they may do.

    Example: bobr key list
    """
    from bobr.cli.system import TIMEOUT_SECONDS, controller

    with controller(directory) as system:
        catalog: Mapping[str, Any] = system.get("/v1/catalog", TIMEOUT_SECONDS)
    told = [dict(_told(each)) for each in catalog["principals"].values()]
    if as_json:
        print(json.dumps(told))
        return
    if not told:
        print("bobr: there is no principal: everybody may do everything", file=sys.stderr)
    for each in told:
        words = [f"{right} {', '.join(each[right])}" for right in RIGHTS if each[right]]
        print(f"{each['name']}: {'; '.join([*words, *each['limits']]) or 'may do nothing'}")
        for key in each["keys"]:
            print(f"  {key['id']}  {key['created'] or ''}".rstrip())


RIGHTS = ("publish", "read", "configure", "tables")


def _told(principal: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from bobr.catalog.keys import id_of

    yield "name", principal["name"]
    yield "owner", principal["owner"]
    for right in RIGHTS:
        yield right, principal[right]
    limits = ((what, principal[f"{what}_per_second"]) for what in ("events", "bytes"))
    yield "limits", [f"{limit:,.0f} {what}/s" for what, limit in limits if limit]
    keys = [{"id": id_of(x["sha256"]), "created": x["created"]} for x in principal["keys"]]
    yield "keys", keys


def _new_key(name: str) -> str:
    from bobr.catalog.keys import new_key
    from bobr.catalog.names import NAME

    try:
        return new_key(NAME.check(name))
    except ValueError as error:
        raise RejectedError(f"{name!r}: {error}") from None


def _check(name: str, declared: Mapping[str, Any]) -> None:
    """RejectedError: nobody would take it, be it from a call or in files."""
    from bobr.catalog.config.read import read
    from bobr.catalog.model import PrincipalDeclaration

    path = ("principals", name)
    found = [
        f"{OPTIONS.get(fault.path[len(path)], fault.path[len(path)])}: {fault.message}"
        for fault in read(PrincipalDeclaration, declared, path).faults
    ]
    if found:
        raise RejectedError("; ".join(found))


def _another_key(system: "Controller", name: str) -> str:
    """How a principal that is there gets one."""
    from bobr.catalog.model import API
    from bobr.cli.system import TIMEOUT_SECONDS

    owner: object = API
    with suppress(BobrError):  # who may not look is told the usual
        catalog: Mapping[str, Any] = system.get("/v1/catalog", TIMEOUT_SECONDS)
        owner = catalog["principals"].get(name, {}).get("owner", API)
    if owner == API:
        return f"`bobr key rotate {name}` gives it another key"
    makes = f"`bobr key create {name} --offline` makes"
    return f"{owner!r} declares it in files, and there it gets another key, which {makes}"


def _tell_file(name: str, declared: Mapping[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump({"principals": {name: declared}}, sort_keys=False)
    print(text, end="", file=sys.stderr)


def _author() -> str:
    """For the history."""
    from bobr.cli.origin import author_here

    return f"author={_quoted(author_here(Path()))}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(word: str) -> str:
    from urllib.parse import quote

    return quote(word, safe="")


def _end(answer: Mapping[str, Any]) -> None:
    """Whether every part knows."""
    from bobr.cli.plans import told_of

    rollout: Sequence[Mapping[str, Any]] = answer["rollout"]
    late = [each for each in rollout if each["state"] != "live"]
    for each in late:
        print(f"bobr: {told_of(each)}", file=sys.stderr)
    if late:
        raise typer.Exit(EXIT_PARTLY)
