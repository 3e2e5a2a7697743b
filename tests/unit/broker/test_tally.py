"""What a broker tells of itself: by streams of the catalog and reasons, never by what strangers send."""

from bobr.broker.tally import Tally
from bobr.ids import StreamName
from bobr.outcome import Reason
from bobr.runtime.metrics import exposition

ORDERS, FORMER, NOWHERE = StreamName("orders"), StreamName("former"), StreamName("")


def test_refused_events_are_told_by_reason_and_the_report_has_their_sum() -> None:
    tally = Tally()
    reasons = [Reason.INVALID, Reason.INVALID, Reason.TOO_LARGE]
    tally.add(ORDERS, accepted=5, rejected=reasons, nbytes=100)
    tally.add(NOWHERE, accepted=0, rejected=[Reason.UNKNOWN_STREAM], nbytes=0)
    assert tally.report()[ORDERS] == {"accepted": 5, "rejected": 3, "bytes": 100}
    told = exposition("broker", tally.samples({ORDERS}), "")[0].decode()
    for line in (
        'bobr_broker_events_accepted_total{stream="orders"} 5.0',
        'bobr_broker_accepted_bytes_total{stream="orders"} 100.0',
        'bobr_broker_events_refused_total{reason="invalid",stream="orders"} 2.0',
        'bobr_broker_events_refused_total{reason="too_large",stream="orders"} 1.0',
        'bobr_broker_events_refused_total{reason="unknown_stream",stream=""} 1.0',
    ):
        assert f"{line}\n" in told


def test_a_stream_that_the_catalog_has_no_more_is_not_told() -> None:
    tally = Tally()
    tally.add(FORMER, accepted=1, rejected=[], nbytes=1)
    assert FORMER in {sample.labels[0] for sample in tally.samples({FORMER}) if sample.labels}
    assert FORMER not in {sample.labels[0] for sample in tally.samples({ORDERS}) if sample.labels}
