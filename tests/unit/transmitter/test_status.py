"""What a pipeline tells of itself."""

from bobr.ids import DeliveryName, Offset, Partition, StreamName, StreamPartition
from bobr.transmitter.status import PipelineStatus


def test_positions_in_another_stream_are_not_told_as_ours() -> None:
    """Retention goes by them: a table that was filled from another stream holds its positions, too."""
    positions = {
        StreamPartition(StreamName(name), Partition(0)): Offset(to)
        for name, to in (("ours", 5), ("former", 1000))
    }
    status = PipelineStatus(
        delivery=DeliveryName("d"), stream=StreamName("ours"), positions=positions
    )
    assert status.as_json()["positions"] == {"0": 5}
