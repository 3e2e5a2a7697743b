"""What an event is: compiled schemas, and their one exact reading as columns.

Everything outside sees `EventType`: a message type at one schema id that decodes batches, exactly as google.protobuf
reads them, into the columns of a table. Nothing outside may see how that is done fast.
"""

from bobr.schema.decode.decoding import Decoded
from bobr.schema.event_type import EventType

__all__ = ["Decoded", "EventType"]
