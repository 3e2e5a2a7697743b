"""Rates from ends: what grew in the last minute, and nothing that did not."""

from bobr.controller.introspection.rates import SAMPLE_SECONDS, WINDOW_SECONDS, Rate, Rates
from bobr.ids import StreamName

ORDERS = StreamName("orders")


def test_a_rate_is_what_came_since_the_oldest_look() -> None:
    rates = Rates()
    rates.look(100.0, {ORDERS: 1_000})
    rates.look(105.0, {ORDERS: 1_500})
    assert rates.of(ORDERS, 110.0, 3_000) == Rate(events_per_second=200.0, seconds=10.0)
    assert rates.of(ORDERS, 110.0, 1_000) == Rate(events_per_second=0.0, seconds=10.0)


def test_what_was_not_seen_twice_has_no_rate() -> None:
    rates = Rates()
    assert rates.of(ORDERS, 100.0, 5) is None
    rates.look(100.0, {})
    assert rates.of(ORDERS, 110.0, 5) is None
    rates.look(110.0, {ORDERS: 5})
    assert rates.of(ORDERS, 110.5, 500) is None
    assert rates.of(ORDERS, 111.0, 7) == Rate(events_per_second=2.0, seconds=1.0)


def test_looks_of_more_than_a_minute_ago_do_not_count() -> None:
    rates = Rates()
    rates.look(0.0, {ORDERS: 0})
    rates.look(WINDOW_SECONDS, {ORDERS: 1_000_000})
    end = 1_000_000 + int(WINDOW_SECONDS)
    assert rates.of(ORDERS, 2 * WINDOW_SECONDS, end) == Rate(
        events_per_second=1.0, seconds=WINDOW_SECONDS
    )
    assert rates.of(ORDERS, 3 * WINDOW_SECONDS, end) is None


def test_an_end_that_went_back_is_another_logs() -> None:
    rates = Rates()
    rates.look(0.0, {ORDERS: 100})
    assert rates.of(ORDERS, 10.0, 99) is None


def test_no_more_looks_are_kept_than_a_minute_has() -> None:
    rates = Rates()
    for number in range(1_000):
        rates.look(number / 1_000, {ORDERS: number})
    kept = 1 + int(WINDOW_SECONDS / SAMPLE_SECONDS)
    rate = rates.of(ORDERS, 2.0, 1_000)
    assert rate is not None
    assert rate.seconds == 2.0 - (1_000 - kept) / 1_000
