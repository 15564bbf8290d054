"""The token of an issuing call: with it the same call can be repeated, and makes one commission.

A token says which incarnation the call writes, and what it was about to write over. So a repeated
call finds its own commission, also after it has ended, and replaces only what the first try would
have replaced.
"""

import re
from typing import NamedTuple, Self

from astakosclient.errors import BadValue

#: The call has read nothing yet, so it has written nothing.
UNREAD = "unread"
#: The call found its key free, or its commission open: it replaces nothing.
NOTHING = "nothing"

_FORM = re.compile(rf"([0-9a-f]{{8}})-({UNREAD}|{NOTHING}|[0-9a-f]{{8}})-(.+)")


class Token(NamedTuple):
    """What a repeated call must know of the first try. `str(token)` is what callers hold."""

    incarnation: str
    replaces: str  # `UNREAD`, `NOTHING`, or the incarnation of the commission that it replaces
    key: str

    def __str__(self) -> str:
        return f"{self.incarnation}-{self.replaces}-{self.key}"

    @classmethod
    def read(cls, text: object) -> Self:
        """Return the token of a text; `BadValue` for a text that is none."""
        if not isinstance(text, str) or not (found := _FORM.fullmatch(text)):
            raise BadValue(f"token must be that of an error Unavailable, not {text!r:.80}")
        return cls(*found.groups())
