"""The control interface, under `/_control/`: look into the sandbox, and steer it.

Runs in the sandbox's process, and is no part of Astakos: it asks for no token, no fault strikes it
and no counter counts it. Must never import `server.py` or `asgi.py`.
"""

from typing import Final

PREFIX: Final = "/_control/"
