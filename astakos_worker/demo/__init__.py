"""The demonstration: a pretend service on a local stack, trouble behind its back, and a proof.

`plan.py` says what the service will do, `service.py` does it, `mischief.py` goes behind its back,
`proof.py` judges the outcome from Astakos' own books, and `course.py` is the order of it all.
"""
