"""What to do next for a commission, and doing it: workers run this, and so does the simulation.

It is handed a client, a ledger and a clock, and opens nothing itself. Imports `ledger`, and the
client's errors; never `service`, `worker`, Celery or Redis.
"""
