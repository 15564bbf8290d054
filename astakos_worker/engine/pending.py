"""What Astakos holds as pending and the ledger does not know: for the probe and for the sweep.

The list is read first and the ledger afterwards. Names once read are remembered in the ledger,
so that a serial is looked at once, by whoever looks first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from astakos_worker.engine.ports import Astakos, Limits
from astakos_worker.ledger.contract import Ledger, Sight
from astakos_worker.ledger.record import Tag, is_bare, read_tag
from astakosclient.errors import NotFound, Outcome

_CHUNK = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stranger:
    """A pending serial that no record has. `tag` is None for foreign ones."""

    serial: int
    sight: Sight
    tag: Tag | None


def plausible(listed: int, held: int, limits: Limits) -> bool:
    """Return whether a list of so many may be right when the ledger holds so many (F42)."""
    return held <= limits.brake_floor or listed * 2 >= held


def read_name(astakos: Astakos, serial: int) -> str | None:
    """Return the name of a pending serial as Astakos has it now; None if it is gone (F39)."""
    try:
        return str(astakos.get_commission_info(serial)["name"])
    except NotFound as error:
        if error.outcome is not Outcome.REFUSED:
            raise  # a proxy's page says nothing about the serial
        return None


def strangers(
    astakos: Astakos, ledger: Ledger, lane: str, listed: Sequence[int], namespace: str
) -> Iterable[Stranger]:
    """Yield the listed serials that no record has, with what their names say of them."""
    for chunk in chunks(listed, _CHUNK):
        known = ledger.find(lane, chunk)
        # A bare serial's record does not say whose the serial is; its name does.
        unknown = [n for n in chunk if n not in known or is_bare(known[n])]
        sights = ledger.sights(lane, unknown)
        names: dict[int, str] = {}
        for serial in unknown:
            if sights[serial].name is None:
                name = read_name(astakos, serial)
                if name is not None:
                    names[serial] = name
        ledger.named(lane, names)
        for serial in unknown:
            text = names.get(serial, sights[serial].name)
            if text is None:
                continue
            tag = read_tag(text)
            ours = tag if tag is not None and tag.namespace == namespace else None
            if ours is None and serial in known:
                continue
            yield Stranger(serial, sights[serial], ours)


def chunks(items: Iterable[T], size: int) -> Iterable[list[T]]:
    """Yield lists of at most so many items."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
