"""Who calls, by its key, and whether it may. As long as no principal is declared, everybody may do everything.

    authorization: Bearer bobr_shop_… ─► caller ─► demand(right, streams) ─► nothing, or an error that is logged

A key is hashed anew with each call: that is a microsecond, and no clear key is kept anywhere. Its principal is found by
the name in it, which is no secret; the digest is compared in the same time whether it is nearly right or not at all.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bobr.catalog import Principal
from bobr.catalog.access import EVERYTHING, Right, barred, lacking
from bobr.catalog.keys import digest, id_of, name_in
from bobr.errors import BobrError, ForbiddenError, UnauthenticatedError, UnavailableError
from bobr.ids import PrincipalName
from bobr.runtime.refusals import Refusals

Principals = Mapping[PrincipalName, Principal]
ANYBODY = "anonymous"
PART = "part"
"""Of this system: its supervisor gave it a secret, by which it may do everything."""
NAMES_SHOWN = 5
NAME_CHARACTERS_SHOWN = 128
NO_KEY = "a key is needed here: send it as `authorization: Bearer bobr_…`; commands take it from BOBR_KEY"
NOT_YET = "this part has no catalog yet, so it does not know who may call: ask again"
WRONG_KEY = (
    "this key is not known here: it was revoked, is another system's, or is not copied whole"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, what and from where. principal None: it may do everything. key: the id of its key.

    sha256: of what it sent, to look again whether it is still known. seen: among whom it was found.
    """

    name: str
    key: str
    principal: Principal | None
    call: str
    address: str
    sha256: str
    seen: Principals

    @property
    def principal_name(self) -> str | None:
        """None: it is nobody's principal."""
        return None if self.principal is None else self.name

    def may(self, right: Right, stream: str) -> bool:
        """Whether it has the right there. Nothing is logged."""
        return self.principal is None or not lacking(self.principal, right, (stream,))


class Access:
    """Thread-safe."""

    def __init__(
        self, principals: Callable[[], Principals | None], refusals: Refusals, secret: str = ""
    ) -> None:
        """`principals`: that are in force now; None: it is not known yet, and nobody is heard.

        `secret`: by which parts of this system are known; empty: by none.
        """
        self._principals = principals
        self._refusals = refusals
        self._secret = digest(secret) if secret else ""

    def caller(self, authorization: str | None, call: str, address: str) -> Caller:
        """Who sends that header, or metadata. UnauthenticatedError: nobody who is known. It is logged.

        UnavailableError: it is not known yet who may call.
        """
        key = _key(authorization)
        return self._caller(digest(key) if key else "", name_in(key), call, address)

    def _caller(self, sha256: str, name: str | None, call: str, address: str) -> Caller:
        principals = self._principals()
        if principals is None:
            raise UnavailableError(NOT_YET)
        principal = principals.get(PrincipalName(name or ""))
        if self._secret and hmac.compare_digest(sha256, self._secret):
            who, key, principal = PART, "", None
        elif not principals:
            who, key = ANYBODY, ""
        elif principal is not None and _has(principal, sha256):
            who, key = principal.name, id_of(sha256)
        else:
            claims = principal.name if principal is not None else ""
            raise self._unknown(sha256, claims, call, address)
        return Caller(
            name=who,
            key=key,
            principal=principal,
            call=call,
            address=address,
            sha256=sha256,
            seen=principals,
        )

    def _unknown(self, sha256: str, claims: str, call: str, address: str) -> BobrError:
        """claims: the principal whose key it says it is, which helps to find who still uses a revoked one."""
        words = {"principal": ANYBODY, "key": id_of(sha256), "claims": claims}
        self._refusals.note(
            "no key" if not sha256 else "unknown key", call=call, address=address, **words
        )
        return UnauthenticatedError(WRONG_KEY if sha256 else NO_KEY)

    def renewed(self, caller: Caller) -> Caller:
        """The same caller as things stand now. UnauthenticatedError: its key was revoked."""
        if caller.seen is self._principals():
            return caller
        name = caller.name if caller.principal is not None else None
        return self._caller(caller.sha256, name, caller.call, caller.address)

    def demand(self, caller: Caller, right: Right, streams: Iterable[str]) -> None:
        """ForbiddenError: the caller has not the right on each of them. It is logged."""
        if caller.principal is None:
            return
        if missing := lacking(caller.principal, right, streams):
            self.note(caller, f"may not {right}", missing[0])
            raise ForbiddenError(f"{caller.name!r} may not {right} {_said(missing)}")

    def demand_tables(self, caller: Caller, tables: Iterable[str]) -> None:
        """ForbiddenError: the caller may not have streams delivered to each of them. It is logged."""
        if caller.principal is None:
            return
        if missing := barred(caller.principal, tables):
            self.note(caller, "may not deliver to", table=missing[0])
            words = "what lies there may be another's; `tables` of the principal names those that it may have"
            raise ForbiddenError(f"{caller.name!r} may not deliver to {_said(missing)}: {words}")

    def note(self, caller: Caller, reason: str, stream: str = "", **more: str) -> None:
        """Log that the caller was refused, for whatever reason."""
        self._refusals.note(
            reason,
            principal=caller.name,
            key=caller.key,
            call=caller.call,
            stream=stream,
            address=caller.address,
            **more,
        )


def _key(authorization: str | None) -> str:
    """What stands behind `Bearer`; nothing: there is no key."""
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _has(principal: Principal, sha256: str) -> bool:
    """Each is compared: how long it takes says nothing."""
    return sum(hmac.compare_digest(each.sha256, sha256) for each in principal.keys) > 0


def _said(what: Iterable[str]) -> str:
    names = [each[:NAME_CHARACTERS_SHOWN] for each in what]
    if EVERYTHING in names:
        return "everything, which this needs: '*'"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(repr, names[:NAMES_SHOWN])) + more
