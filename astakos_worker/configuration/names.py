"""What things are called on the wire: patterns of names, queues and tasks.

Imported by every layer; imports nothing of ours.
"""

from collections.abc import Callable

#: Names of services (lanes) and namespaces.
NAME = r"^[a-z][a-z0-9_-]{0,31}$"

# Each has workers, and so threads, of its own: a lane on a hung Astakos starves nobody (F75).
COMMISSIONS = "astakos.commissions"
LOOKUPS = "astakos.lookups"
SWEEP = "astakos.sweep"

# Wake-ups: the work itself is in the ledger.
WAKE_ISSUE = "astakos.issue"
WAKE_ACCEPT = "astakos.accept"
WAKE_REJECT = "astakos.reject"
WAKE_DRIVE = "astakos.drive"

#: A promised wake-up is named after its key and the kind of call that promised it.
PROMISES = {WAKE_ISSUE: "?", WAKE_ACCEPT: "!", WAKE_REJECT: "!"}

#: The newest schema of messages that this code reads; newer ones are left for a newer worker.
MESSAGES = 1

# Whole requests, for programs without this package.
ISSUE_COMMISSION = "astakos.issue_commission"
ISSUE_COMMISSIONS = "astakos.issue_commissions"
ACCEPT_COMMISSION = "astakos.accept_commission"
REJECT_COMMISSION = "astakos.reject_commission"
RESOLVE_COMMISSIONS = "astakos.resolve_commissions"

RECONCILE = "astakos.reconcile"
LOOKUP = "astakos.lookup."

#: Look-ups of names that may be gathered and kept; what makes two spellings the same one: Astakos
#: looks at no case in user names, and at that of uuids (the protocol, section 3.5).
SAME_NAME: dict[str, Callable[[str], str]] = {"usernames": str, "uuids": str.lower}
