"""The outbox as a Django application: add `astakos_worker.django` to INSTALLED_APPS.

It has the table (a migration), a read-only list in the admin, system checks, and the command
`astakos_relay`. Calls are `Commissions.in_transaction()`.
"""
