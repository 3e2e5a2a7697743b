"""What a pipeline tells of itself."""

from bobr.catalog import LAKE, Delivery
from bobr.ids import DeliveryName, Offset, Partition, StreamName, StreamPartition
from bobr.runtime.report import DeliveryReport
from bobr.transmitter.status import PipelineStatus


def test_positions_in_another_stream_are_not_told_as_ours() -> None:
    """Retention goes by them: a table that was filled from another stream holds its positions, too."""
    positions = {
        StreamPartition(StreamName(name), Partition(0)): Offset(to)
        for name, to in (("ours", 5), ("former", 1000))
    }
    status = PipelineStatus(
        delivery=DeliveryName("d"),
        stream=StreamName("ours"),
        to=LAKE,
        table="t",
        positions=positions,
    )
    assert status.as_json()["positions"] == {"0": 5}


def test_a_report_says_of_which_table_it_tells() -> None:
    """Retention goes by that, too: after a change it would take what another table has for what this one has."""
    delivery = Delivery(name=DeliveryName("d"), stream=StreamName("orders"), table="t")
    words = {"stream": delivery.stream, "to": delivery.to, "table": delivery.table}
    status = PipelineStatus(delivery=delivery.name, **words)  # type: ignore[arg-type]  # its fields
    report = DeliveryReport.model_validate(status.as_json())
    assert report.is_of(delivery)
    for changed in ({"stream": "clicks"}, {"to": "other"}, {"table": "shop.t"}):
        assert not report.is_of(delivery.model_copy(update=changed))
    assert not DeliveryReport(state="running").is_of(delivery)
