"""Drift: usage in Astakos against what a service counts itself. Reports; the command repairs.

Runs in `astakos-worker reconcile usage` only. Apart from the exactly-once rules: nothing else of
the engine imports this folder.
"""
