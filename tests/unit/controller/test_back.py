"""What a trial leaves behind when it is taken back: nobody has more rights than before, and somebody can go on."""

from collections.abc import Mapping, Sequence

from bobr.catalog import Catalog, Principal
from bobr.catalog.model import Key
from bobr.controller.back import untried
from bobr.ids import PrincipalName, Revision


def principal(name: str, *keys: str, **rights: Sequence[str]) -> Principal:
    """With keys whose digests are made of one digit each."""
    return Principal.model_validate(
        {"name": name, "keys": [Key(sha256=each * 64) for each in keys], **rights}
    )


def catalog(revision: int, *principals: Principal) -> Catalog:
    return Catalog(revision=Revision(revision), principals={each.name: each for each in principals})


def keys(catalog: Catalog) -> Mapping[str, str]:
    return {
        name: "".join(key.sha256[0] for key in each.keys)
        for name, each in catalog.principals.items()
    }


OPS = principal("ops", "a", configure=["*"])
SHOP = principal("shop", "b", "c", publish=["*"])


def test_who_swaps_the_only_key_that_opens_all_has_the_old_one_and_others_have_less() -> None:
    tried = catalog(2, principal("ops", "d", configure=["*"]), principal("shop", "c", "e"))
    after = untried(catalog(1, OPS, SHOP), tried)
    assert after.revision == 2
    assert keys(after) == {"ops": "a", "shop": "c"}
    assert after.principals[PrincipalName("shop")].publish == ()


def test_an_administrator_whose_key_stays_is_enough() -> None:
    other = principal("other", "f", configure=["*"])
    tried = catalog(2, principal("ops", configure=["*"]), other)
    after = untried(catalog(1, OPS, SHOP, other), tried)
    assert keys(after) == {"ops": "", "other": "f"}


def test_a_trial_without_principals_takes_nothing_from_them() -> None:
    """Everybody might do everything, so the producers go on."""
    assert keys(untried(catalog(1, OPS, SHOP), catalog(2))) == {"ops": "a", "shop": "bc"}


def test_a_system_that_was_open_is_open_again() -> None:
    assert keys(untried(catalog(1), catalog(2, OPS))) == {}
