"""The transmitter: log → tables, exactly once.

`part.py` runs one pipeline (`pipeline.py`) for each delivery of the catalog, and hands it a new
plan (`plan.py`) when the catalog changes. A pipeline reads a
stream, turns payloads into table rows (`rows.py`), drops replays by position and duplicates by
event id (`dedup.py`), splits the rest by table partition (`partition.py`), and has a sink
(`sinks/`) commit rows and positions together when `flush.py` says so.

It keeps no state of its own: positions and ids are read back from the table at every start.
"""
