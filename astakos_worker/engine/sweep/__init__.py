"""The sweep: what Astakos lists as pending against what the ledger holds, and what to do about it.

Runs in workers when beat says so, and in `astakos-worker reconcile`. Imports `engine` and
`ledger`; never `engine/carry`.
"""
