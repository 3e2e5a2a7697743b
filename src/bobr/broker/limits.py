"""Every bound of the broker, with its unit and the reason for its size."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one broker process holds, whatever its clients do."""

    pending_bytes_max: int = 96 * MIB
    """Bytes of calls that were read and not answered, over both edges; the next unary call is refused."""
    pending_calls_max: int = 20_000
    """Calls likewise: each costs a few KiB, whatever it carries."""
    body_bytes_max: int = 16 * MIB
    """One HTTP body that is a JSON array (NDJSON is read in pieces and has no limit)."""
    message_bytes_max: int = 4 * MIB
    """One PublishRequest. Over gRPC, as with most servers, it is in memory before we can refuse it, on each stream."""
    call_events_max: int = 250_000
    """Events of one PublishRequest: empty ones have two bytes, and cost as much to judge as others."""
    connection_calls_max: int = 1_000
    """gRPC calls under way on one connection."""
    receive_seconds: float = 15.0
    """A unary call, or the next part of an HTTP body that is read as a whole, comes within this time."""
    stream_calls_max: int = 512
    """Messages of one PublishStream that wait for their answer; then the stream is not read until some are answered."""
    large_bytes: int = 64 * KIB
    """A stream that sent a message of this size may send another: the next is received when there is room for it."""
    idle_seconds: float = 1.0
    """A stream that sends nothing for so long holds no room any more."""
    linger_seconds: float = 0.002
    """How long a small call waits for company: about one fdatasync, which they then share."""
    round_bytes_max: int = 4 * MIB
    """Calls that are checked and appended together: about 10 ms of work, so that answers keep flowing."""
    round_calls_max: int = 4_000
    """Likewise in calls."""
    piece_bytes: int = 256 * KIB
    """An NDJSON body is taken in pieces of about this size, each published as it comes."""
    pause_seconds: float = 0.1
    """What came of an NDJSON body is published when nothing more comes for so long."""
    line_seconds: float = 60.0
    """A line that has begun goes on within this time, or the body ends there. Between lines it may take its time."""
    long_lines_max: int = 4
    """Lines above `large_bytes` that are received at once, over all bodies; each ends within `line_seconds`."""
    stall_seconds: float = 5.0
    """One of them that others wait for goes on within this time, or its body ends there."""
    rejections_max: int = 10_000
    """Refused events that one answer lists; reading stops there, and the answer says where."""
    rejection_bytes: int = 64
    """A PublishRequest has one refused event listed for so many of its bytes: small calls make no huge answers."""
    rejections_min: int = 16
    """But so many at least."""
    open_rejections_max: int = 200_000
    """Refused events that are kept for the answers to all NDJSON bodies that are still read: some 60 MB.

    Then the body with most of them ends, be it idle or not."""

    def rejections_listed(self, nbytes: int) -> int:
        """In the answer to a PublishRequest of that size."""
        return min(self.rejections_max, max(self.rejections_min, nbytes // self.rejection_bytes))
