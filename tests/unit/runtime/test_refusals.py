"""The log of refusals is bounded, and says how much it leaves out."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bobr.catalog import Principal
from bobr.catalog.keys import KEY_CHARACTERS_MAX, digest, id_of, name_in, new_key, without_keys
from bobr.catalog.model import Key
from bobr.errors import UnauthenticatedError
from bobr.ids import PrincipalName
from bobr.runtime.access import Access
from bobr.runtime.refusals import REFUSALS_PER_SECOND_MAX, SHOWN_CHARACTERS_MAX, Refusals
from bobr.testing.clock import ManualClock


def test_a_flood_takes_a_few_lines_a_second_and_is_counted() -> None:
    clock = ManualClock()
    refusals = Refusals(clock)
    with capture_logs() as lines:
        for _ in range(1_000):
            refusals.note("unknown key", call="x" * 10_000)
    assert len(lines) == REFUSALS_PER_SECOND_MAX
    assert all(len(line["call"]) == SHOWN_CHARACTERS_MAX for line in lines)
    clock.move(timedelta(seconds=1.0))
    with capture_logs() as lines:
        refusals.note("unknown key")
        refusals.note("unknown key")
    told = [line.get("not_logged_before", 0) for line in lines]
    assert told == [1_000 - REFUSALS_PER_SECOND_MAX, 0]


def test_a_key_in_a_path_is_not_shown() -> None:
    key = new_key("shop")
    with capture_logs() as lines:
        Refusals(ManualClock()).note("no key", call=f"GET /{'x' * 60}/{key}", stream=key)
    assert lines[0]["stream"] == "bobr_shop_…"
    assert lines[0]["call"].endswith("/bobr_shop_…")


def test_a_wrong_key_is_told_by_its_id_and_by_whose_it_says_it_is() -> None:
    key, other = new_key("shop"), new_key("shop")
    shop = PrincipalName("shop")
    known = {shop: Principal(name=shop, keys=(Key(sha256=digest(key)),))}
    access = Access(lambda: known, Refusals(ManualClock()))
    assert access.caller(f"bearer  {key} ", "Publish", "here").name == "shop"
    wrong = [
        None,
        "",
        "Bearer",
        f"Basic {key}",
        f"Bearer {other}",
        f"Bearer {key[:-1]}",
        "Bearer ü",
    ]
    with capture_logs() as lines:
        for each in wrong:
            with pytest.raises(UnauthenticatedError):
                access.caller(each, "Publish", "here")
    assert {"key": id_of(digest(other)), "claims": "shop"}.items() <= lines[4].items()
    assert not any(other in str(line) or key in str(line) for line in lines)


def test_keys_of_all_names_are_known_and_not_shown() -> None:
    for name in ("a", "a_b", "x.y-z", "a" * 128):
        key = new_key(name)
        assert name_in(key) == name
        assert len(key) <= KEY_CHARACTERS_MAX
        assert without_keys(f"it is {key}!") == f"it is bobr_{name}_…!"
    assert name_in("bobr_a_" + "x" * 42) is None
    assert name_in("x" * 100_000) is None
