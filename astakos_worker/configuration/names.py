"""Names on the wire: of queues and tasks, and the pattern of services' names.

Every layer may import this module; it imports nothing of ours.
"""

from collections.abc import Callable

#: The pattern of services' names (one service is one lane) and of namespaces.
NAME = r"^[a-z][a-z0-9_-]{0,31}$"

# The queues. Each has its own workers, and so threads: a hung Astakos blocks only its lane (F75).
COMMISSIONS = "astakos.commissions"
LOOKUPS = "astakos.lookups"
SWEEP = "astakos.sweep"
QUEUES = (COMMISSIONS, LOOKUPS, SWEEP)

#: The queue of Celery programs that name none. A call-back without a queue goes there.
CALLERS = "celery"
#: The names of our tasks and queues begin so.
OURS = "astakos."


def control_exchange(namespace: str) -> str:
    """Return the exchange of a namespace's control messages; other names begin with it too."""
    return f"astakos.{namespace}"


def unacked_key(namespace: str) -> str:
    """Return the broker's key of the messages that were delivered and not acknowledged."""
    return f"{control_exchange(namespace)}.unacked"


# Wake-ups. The work itself is in the ledger.
WAKE_ISSUE = "astakos.issue"
WAKE_ACCEPT = "astakos.accept"
WAKE_REJECT = "astakos.reject"
WAKE_DRIVE = "astakos.drive"

#: The name of a promised wake-up is its key and this mark: it says which kind of call promised.
PROMISES = {WAKE_ISSUE: "?", WAKE_ACCEPT: "!", WAKE_REJECT: "!"}

#: The newest schema of messages that this code reads. Newer ones are left for a newer worker.
MESSAGES = 1

# Whole calls, for programs without this package.
ISSUE_COMMISSION = "astakos.issue_commission"
ISSUE_COMMISSIONS = "astakos.issue_commissions"
ACCEPT_COMMISSION = "astakos.accept_commission"
REJECT_COMMISSION = "astakos.reject_commission"
RESOLVE_COMMISSIONS = "astakos.resolve_commissions"

RECONCILE = "astakos.reconcile"
LOOKUP = "astakos.lookup."

#: Look-ups of names that are cached and share requests, and the form in which spellings are
#: compared: uuids as they are, user names in lower case, since Astakos ignores their case
#: (the protocol, section 3.5).
SAME_NAME: dict[str, Callable[[str], str]] = {"usernames": str, "uuids": str.lower}
