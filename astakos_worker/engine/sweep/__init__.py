"""The sweep: compares Astakos' pending commissions with the ledger, and puts right what differs.

Runs in workers when beat says so, and in `astakos-worker reconcile`. Imports `engine` and
`ledger`; never `engine/carry`.
"""
