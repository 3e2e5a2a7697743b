"""What a schema demands of its events beyond types: `buf.validate` rules, judged event by event by protovalidate."""

from bobr.validation.rules import Rules

__all__ = ["Rules"]
