"""The broker: producers → log. Accepts events over gRPC and HTTP, checks them, and answers when they are durable.

Two edges (`grpc_edge`, `http_edge`), each with an event loop and a check thread of its own, over one publishing core:
calls are gathered for a moment (`accumulate`), merged into one batch for each stream and schema (`merge`), checked and
appended once (`publish`), and each call gets its own answer (`calls`). It knows streams only as the catalog gives them
(`streams`) and stores nothing itself.
"""
