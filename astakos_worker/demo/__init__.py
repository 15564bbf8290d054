"""The demonstration: a pretend service on a local stack, faults on purpose, and a proof.

Runs in the process of `astakos-worker demo`, and in chaos runs. `plan.py` says what the service
will do, `pretend_service.py` does it, `direct_commissions.py` makes commissions that the service
does not know, `proof.py` compares the outcome with Astakos' own figures, `run.py` has the order of
the phases. Must never be imported by services or workers.
"""
