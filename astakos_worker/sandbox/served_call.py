"""One call of the API while it is served: the request, and the work that it asks for."""

import logging
from typing import Final, NamedTuple

from astakos_worker.sandbox.api.endpoint import AnyEndpoint
from astakos_worker.sandbox.api_messages import ApiRequest, Reply, reply_fault, reply_oauth
from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.errors import ApiFaultError, InternalFailureError, OAuthFaultError
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.reply_sender import ReplySender
from astakos_worker.sandbox.sandbox import Sandbox

_log: Final = logging.getLogger(__name__)


class ServedCall(NamedTuple):
    """A request, the endpoint that it asks for, and the way back to its client.

    `astakos` is the one that the request came to: after a reset the sandbox has another.
    """

    sandbox: Sandbox
    astakos: SandboxAstakos
    endpoint: AnyEndpoint
    request: ApiRequest
    sender: ReplySender

    async def work(self) -> Reply:
        """Do what is asked, for as long as the cost model says, and return the reply."""
        quirks = self.astakos.quirks
        try:
            work = self.endpoint.admit(self.astakos, self.request)
            await self.sandbox.servers.work(work.load)
            return work.perform()
        except ApiFaultError as fault:
            if fault.uncaught and Quirk.UNCAUGHT_500 in quirks:
                return reply_fault(InternalFailureError())
            return reply_fault(fault)
        except OAuthFaultError as fault:
            return reply_oauth({"error": "generic_error", "exception": str(fault)}, quirks, 400)
        except Exception:  # noqa: BLE001 # logged, and answered as the real server would
            # The sandbox goes on serving the others; its log shows the error.
            _log.exception("%s broke", self.endpoint.name)
            return reply_fault(InternalFailureError())
