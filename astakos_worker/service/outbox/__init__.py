"""The outbox: calls of `Commissions` as rows of the service's own database, in its own transaction.

A committed row reaches the ledger exactly once in effect. A row that is rolled back never does.
`in_transaction.py` writes rows; `batch.py` sends them; `sender.py` (a thread of the service) and
`relay.py` (a process of its own) say when. The ledger stays the only truth about a commission.
Imports what `service` may import; never `engine` or `worker`.
"""
