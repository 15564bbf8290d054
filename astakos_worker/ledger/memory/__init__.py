"""The ledger in this process' memory: the same contract, without a server.

Runs in the tests of services, in the simulation, and in the tests that compare both stores.
Imports only `ledger`.
"""
