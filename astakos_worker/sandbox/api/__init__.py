"""The calls of the Astakos HTTP API: one function for each, found by the table in `routes.py`.

Runs in the sandbox's process. Reads requests, asks the rules, writes replies. Must never import
the server (`server.py`, `asgi.py`), the faults or the control interface.
"""
