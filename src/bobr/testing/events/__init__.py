"""Random event types, and random bytes that are, almost are, or are not events of a type.

Written against `random.Random`, so that hypothesis (`st.randoms(use_true_random=False)`) shrinks what a property test
finds and a plain seed runs a million of them.
"""

from bobr.testing.events.bytes import payload
from bobr.testing.events.types import event_type

__all__ = ["event_type", "payload"]
