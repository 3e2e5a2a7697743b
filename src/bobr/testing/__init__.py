"""Doubles and contract suites, shipped: for our own tests and for authors of other logs and sinks."""
