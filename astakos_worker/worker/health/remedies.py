"""What an operator does about each alarm. `docs/operations.md` says more about each."""

from typing import Final

#: For an alarm that this version does not know: a newer worker may have raised it.
UNKNOWN_ALARM: Final = "read the alarm's text; a newer version's docs/operations.md may know it"

REMEDIES: Final[dict[str, str]] = {
    "silent": "look at Astakos and at the network between",
    "token": "write the right token into the token file; no restart is needed",
    "local": "mend what the text names on that machine: its CA file, its proxy or its token file",
    "proxy": "look at the proxy between, at its filters, and at the service's AUTH_URL",
    "fails": "look at Astakos' log",
    "unproven": "see whether the token belongs to another component of Astakos",
    "sweep": "see whether the token is this service's, and whether Astakos was restored",
    "brake": "run `astakos-worker reconcile`; if the list is right, `reconcile --fix "
    "--however-many`",
    "outbox": "run `astakos-worker outbox list`; then `outbox retry` or `outbox drop`",
    "owner": "repair the service's owner function, or the database that it reads",
    "vanished": "find the program that settles commissions with the same token; then `status "
    "--acknowledge vanished`",
    "conflict": "compare `astakos-worker show` with Astakos; then `status --acknowledge conflict`",
    "memory": "raise maxmemory of the ledger's server, or shorten ASTAKOS_RETENTION",
    "lost-writes": "see docs/deployment.md, the server of the ledger; then `astakos-worker ledger "
    "trust SERVICE`",
    "unreadable": "run `astakos-worker ledger unreadable SERVICE`; after a repair with --again",
    "clock": "look at the time service of the ledger's server; then `status --acknowledge clock`",
}
