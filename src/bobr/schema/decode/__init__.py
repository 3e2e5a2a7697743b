"""Payloads → columns, exactly as google.protobuf reads them, at the speed of ptars.

`decoding.py` a batch's way · `wire.py` the judge · `spelling.py` and `transcript.py` what ptars is given ·
`lowering.py` ptars itself. What the columns are like is said in `../mapping.py` and `../columns/`.
"""
