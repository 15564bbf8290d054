"""The ledger on a Redis or Valkey server: one small Lua script for each primitive.

Runs in services, workers and commands. Knows no rule about states: `ledger/states.py` does.
Imports only `ledger`.
"""
