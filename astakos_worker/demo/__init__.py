"""The demonstration: a pretend service on a local stack, faults behind its back, and a proof.

Runs in `make demo`; chaos runs use the same parts. `plan.py` says what the service will do,
`pretend_service.py` does it, `direct_commissions.py` makes commissions behind its back, `proof.py`
compares the outcome with Astakos' own figures, `run.py` has the order of the phases. Must never be
imported by services or workers.
"""
