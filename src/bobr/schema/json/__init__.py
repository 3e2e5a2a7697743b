"""JSON at the edge: bodies → documents → serialized messages, and back for people to read."""

from bobr.schema.json.reader import JsonReader
from bobr.schema.json.splitting import Lines, NdjsonSplitter, split_array
from bobr.schema.json.writer import JsonWriter

__all__ = ["JsonReader", "JsonWriter", "Lines", "NdjsonSplitter", "split_array"]
