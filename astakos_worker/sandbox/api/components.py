"""The components behind the bar at the top of Synnefo's web pages (the protocol, section 3.6)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from astakos_worker.sandbox.api.identity import absolute_url
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.operation import PublicOperation
from astakos_worker.sandbox.wire import Reply, Request, reply_json

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos

_CALLBACK: Final = re.compile(r"[\w.$]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListComponents(PublicOperation):
    """`GET get_services`: the components, for the bar at the top of their web pages."""

    name: ClassVar[str] = "services"
    base_url: str
    callback: str

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:  # noqa: ARG003 # is public
        """A callback makes it JSONP."""
        callback = request.query.get("callback", [""])[-1]
        if callback and not _CALLBACK.fullmatch(callback):
            raise ApiFaultError(400, "callback must be the name of a function")
        return cls(request.base_url, callback)

    def perform(self, astakos: Astakos) -> Reply:
        """A list, not an object."""
        in_order = sorted(
            (
                (number if component.order is None else component.order, component)
                for number, component in enumerate(astakos.world.components.values(), 1)
            ),
            key=lambda each: each[0],
        )
        components = [
            {
                "name": component.name,
                "url": absolute_url(component.url, self.base_url),
                "verbose_name": component.verbose_name or component.name,
                "order": order,
                "dashboard": {"order": order, "show": True, **component.dashboard},
                "cloudbar": {"show": True, **component.cloudbar},
            }
            for order, component in in_order
        ]
        if self.callback:
            body = f"{self.callback}({json.dumps(components)})"
            return Reply(200, body.encode(), "application/javascript; charset=UTF-8")
        return reply_json(components)
