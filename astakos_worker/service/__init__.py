"""The calls of a service: issue, decide, wait, look up. Each writes to the ledger and returns.

Runs in the service's processes, inside its request handlers. Imports `ledger`, `configuration`
and the client's errors; never `engine` or `worker`, and holds no token of Astakos.
"""
