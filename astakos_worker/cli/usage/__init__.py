"""`astakos-worker reconcile usage`: compare usage, show what differs, and repair it on request.

Runs in an operator's shell. Only `cli/reconcile.py` imports this folder. Must never write usage
directly: a repair is a commission like any other.
"""
