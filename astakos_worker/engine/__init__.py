"""What to do next and doing it: handed an Astakos, a ledger and a clock, it opens nothing itself.

Knows no Celery and no Redis; imports of the client only its errors.
"""
