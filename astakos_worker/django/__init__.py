"""The outbox as a Django application: add `astakos_worker.django` to INSTALLED_APPS.

It has the table (a migration), a read-only list in the admin, system checks, and the command
`astakos_relay`. Calls are made with `Commissions.in_transaction()`. Runs in a service's Django
processes. Imports `service` and `configuration`; never `engine` or `worker`.
"""
