"""`astakos-worker reconcile usage`: compare usage, show what differs, and repair it on request.

Runs in an operator's shell. Nothing else imports this folder.
"""
