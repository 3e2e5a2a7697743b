"""Iceberg tables on a local disk, in a SQL catalog that any Iceberg engine can open."""

from bobr.transmitter.sinks.iceberg.config import IcebergConfig
from bobr.transmitter.sinks.iceberg.sink import IcebergSink

__all__ = ["IcebergConfig", "IcebergSink"]
