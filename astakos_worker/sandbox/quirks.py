"""The accidents of the real server that can be switched on; all are off by default."""

from enum import StrEnum


class Quirk(StrEnum):
    """What the real server does and surely was not meant to do (the protocol, section 7)."""

    # Pending serials come in no order (section 10.5).
    UNSORTED_LIST = "unsorted-list"
    # All refusals share one `data`, so a 404 tells somebody's earlier figures (section 3.10).
    STALE_ERROR_DATA = "stale-error-data"
    # A serial once to be accepted and twice to be rejected is conflicting, and rejected (1.8).
    REJECT_TOGGLE = "reject-toggle"
    # JSON `true` is a quantity of 1 (section 3.10).
    BOOLEAN_QUANTITY = "boolean-quantity"
    # What it does not expect is an unexplained 500: wrong shapes, a missing `app_id`, a default
    # project that is not alive, `belongsTo` with a token that has no scope (section 3.1).
    UNCAUGHT_500 = "uncaught-500"
    # Times are local, though they are labelled UTC (section 3.1).
    LOCAL_TIME = "local-time"
    # Projects are also known by the number that the database gave them (section 3.12).
    NUMERIC_PROJECT_IDS = "numeric-project-ids"
    # OAuth 2 replies are labelled as something else than JSON (sections 3.15 and 7).
    OAUTH_HTML = "oauth-html"
    OAUTH_OCTET_STREAM = "oauth-octet-stream"
