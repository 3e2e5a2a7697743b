"""Names that were meant."""

from bobr.catalog.nearest import HINTS_MAX, Hints, meant


def test_the_name_that_is_like_it_is_proposed_or_those_that_there_are() -> None:
    assert meant("ordrs", ["clicks", "orders"]) == "did you mean 'orders'?"
    assert meant("x", ["clicks", "orders"]) == "there is 'clicks', 'orders'"
    assert meant("x", []) == "none is declared"


def test_of_very_many_wrong_names_only_the_first_are_compared_with_all() -> None:
    hints = Hints()
    told = [hints.meant(f"order{number}", ["orders"]) for number in range(HINTS_MAX + 1)]
    assert set(told[:-1]) == {"did you mean 'orders'?"}
    assert told[-1] == "there is 'orders'"
    assert hints.may_be("orders", ["Orders"]), "nobody looks any more, so it may"
    assert not hints.may_be("orders", []), "nothing is misspelt"
