"""One wake-up's work on a lane: claim records, settle, issue, look for lost answers, call back.

Runs in workers, in a task's thread. Imports `engine` and `ledger`; never the sweep.
"""
