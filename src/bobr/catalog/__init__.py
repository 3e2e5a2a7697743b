"""The catalog: every stream and delivery at one revision.

Pure values; the controller stores them, the parts run them.
"""

from bobr.catalog.model import Catalog, Delivery, PartitionBy, Stream

__all__ = ["Catalog", "Delivery", "PartitionBy", "Stream"]
