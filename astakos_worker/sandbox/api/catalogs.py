"""User catalogs: names for uuids and uuids for names (the protocol, section 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.operation import ComponentOperation, UserOperation
from astakos_worker.sandbox.wire import Reply, Request, reply_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Component, User
    from astakos_worker.sandbox.world import World


@dataclass(frozen=True, slots=True)
class AskAsUser(UserOperation):
    """`POST user_catalogs`, by a user."""

    name: ClassVar[str] = "catalogs"
    uuids: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:  # noqa: ARG003 # any user may ask
        """A null list of uuids asks for none."""
        uuids, names = _wanted(request)
        return cls(uuids or (), names)

    def perform(self, astakos: Astakos) -> Reply:
        """Both maps; what is unknown is absent."""
        return _look_up(astakos.world, self.uuids, self.names)


@dataclass(frozen=True, slots=True)
class AskAsService(ComponentOperation):
    """`POST service/user_catalogs`, by a component."""

    name: ClassVar[str] = "service.catalogs"
    uuids: tuple[str, ...] | None
    names: tuple[str, ...]

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:  # noqa: ARG003 # any may ask
        """A null list of uuids asks for all."""
        uuids, names = _wanted(request)
        return cls(uuids, names)

    def perform(self, astakos: Astakos) -> Reply:
        """Both maps; what is unknown is absent."""
        uuids = tuple(astakos.world.users) if self.uuids is None else self.uuids
        return _look_up(astakos.world, uuids, self.names)


def _wanted(request: Request) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    body = request.json_object(whatever_type=True)
    uuids = body.get("uuids", [])
    names = _strings(body.get("displaynames", []), "displaynames")
    if uuids is None:
        return None, names
    # The real server looks up each element of whatever has elements; the odd ones find nobody.
    if not isinstance(uuids, list | str | dict):
        raise ApiFaultError(400, "uuids must be a list", uncaught=True)
    return tuple(uuid for uuid in uuids if isinstance(uuid, str)), names


def _strings(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise ApiFaultError(400, f"{key} must be a list of strings")
    return tuple(value)


def _look_up(world: World, uuids: Sequence[str], names: Sequence[str]) -> Reply:
    by_uuid = {uuid: world.users[uuid].username for uuid in uuids if uuid in world.users}
    # Of two spellings of one name only the last comes back, as it was spelled.
    spellings = {name.lower(): name for name in names}
    by_name = {}
    for spelling in spellings.values():
        user = world.user_by_name(spelling)
        if user is not None:
            by_name[spelling] = user.uuid
    return reply_json({"uuid_catalog": by_uuid, "displayname_catalog": by_name})
