"""Decides what to do next for a commission, and does it. Workers run this; the simulation, too.

The engine is handed a client, a ledger and a clock, and opens nothing itself. Imports `ledger`, and
the client's errors; never `service`, `worker`, Celery or Redis.
"""
