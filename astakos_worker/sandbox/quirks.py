"""The accidents of the real server that can be switched on; all are off by default."""

from enum import StrEnum


class Quirk(StrEnum):
    """Accidents of the real server (the protocol, section 7)."""

    # Pending serials come in no order (section 10.5).
    UNSORTED_LIST = "unsorted-list"
    # All refusals share one `data`: a 404 shows the figures of an earlier refusal (section 3.10).
    STALE_ERROR_DATA = "stale-error-data"
    # A serial once in `accept` and twice in `reject` is conflicting, and rejected too (1.8).
    REJECT_TOGGLE = "reject-toggle"
    # JSON `true` is a quantity of 1 (section 3.10).
    BOOLEAN_QUANTITY = "boolean-quantity"
    # A 500 for requests that the real server does not expect: wrong shapes, a missing `app_id`, a
    # default project that is not alive, `belongsTo` with a token without scope (section 3.1).
    UNCAUGHT_500 = "uncaught-500"
    # Times are local, though they are labelled UTC (section 3.1).
    LOCAL_TIME = "local-time"
    # Projects can also be named by their row number in the database (section 3.12).
    NUMERIC_PROJECT_IDS = "numeric-project-ids"
    # OAuth 2 replies have another Content-Type than JSON (sections 3.15 and 7).
    OAUTH_HTML = "oauth-html"
    OAUTH_OCTET_STREAM = "oauth-octet-stream"
