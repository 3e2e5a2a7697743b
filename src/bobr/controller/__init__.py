"""The controller: owns the catalog, the schema registry and the face that people and tools talk to.

It starts and stops nothing: parts ask it what to do, and tell it how they are.
"""
