"""Names that were meant."""

from bobr.catalog.nearest import COMPARED_MAX, Hints, meant

ORDERS = frozenset({"orders"})


def test_the_name_that_is_like_it_is_proposed_or_those_that_there_are() -> None:
    assert meant("ordrs", ["clicks", "orders"]) == "did you mean 'orders'?"
    assert meant("x", ["clicks", "orders"]) == "there is 'clicks', 'orders'"
    assert meant("x", []) == "none is declared"


def test_of_very_many_wrong_names_only_the_first_are_compared_with_all() -> None:
    hints = Hints()
    told: list[str] = []
    while not hints.are_used_up:
        told.append(hints.meant(f"order{len(told)}", ORDERS))
    assert set(told) == {"did you mean 'orders'?"}
    assert COMPARED_MAX / 1000 < len(told) * 20**2 < COMPARED_MAX * 2
    assert hints.meant("order", ORDERS) == "there is 'orders'"
    assert hints.may_be("orders", frozenset({"Orders"})), "nobody looks any more, so it may"
    assert not hints.may_be("orders", frozenset()), "nothing is misspelt"
