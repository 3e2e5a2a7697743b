"""Introspection: what streams hold, who reads them and how far behind each is. Measured, never configured.

Numbers come from the log's own counters and from what the parts tell. Bounded work: a few indexed lookups for each
partition, whatever it holds; no event is read.

    told.py           the answers
    rates.py          events per second, from the log's ends
    behind.py         lag and watermark
    introspector.py   all put together
    api.py            as calls
    samples.py        as metrics
"""

from bobr.controller.introspection.api import IntrospectionApi
from bobr.controller.introspection.introspector import Introspector
from bobr.controller.introspection.rates import SAMPLE_SECONDS
from bobr.controller.introspection.samples import samples

__all__ = ["SAMPLE_SECONDS", "IntrospectionApi", "Introspector", "samples"]
