"""Bobr, the broker of brokers: typed events in, tables out.

ARCHITECTURE.md tells one event's journey through these packages.
"""
