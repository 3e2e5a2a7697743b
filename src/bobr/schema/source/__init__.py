"""Schemas at rest: `.proto` texts and their imports, compiled, compared with what they follow, kept in a registry.

`local.py` files on a disk · `sources.py` texts and imports · `compile.py` protoc · `places.py` where in the text ·
`breaking.py` buf's rules · `evolution.py` all that a new version must keep · `registry.py` the client of registries.
Knows no columns or payloads.
"""
