"""Shapes: the kinds of protobuf values, each with its column type and its way from the wire to that column."""
