"""Reads what Astakos holds as pending, and finds the serials that the ledger does not know.

The probe for a lost answer and the sweep use this. Astakos' list is read first and the ledger
afterwards, so that a commission recorded in between is not taken for unknown. The ledger remembers
what the name of a serial says, so Astakos is asked about each serial once.
"""

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from astakos_worker.engine.ports import Astakos, Limits
from astakos_worker.engine.replies import Condition, condition_of
from astakos_worker.ledger.contract import Ledger, Sighting
from astakos_worker.ledger.record import is_bare
from astakos_worker.ledger.request import Tag, caller_text, read_tag
from astakosclient.errors import AstakosClientException, NotFound, Outcome

#: Serials that the ledger is asked about in one round trip.
CHUNK = 500

#: Commissions in one batch of questions. The answers are remembered after each batch, so after a
#: crash at most one batch is asked about a second time.
BATCH = 50

T = TypeVar("T")

#: Calls a function for each serial and gives the results in order, as `map` does; perhaps several
#: calls at a time.
Each = Callable[[Callable[[int], T], Sequence[int]], Iterable[T]]


@dataclass(frozen=True, slots=True)
class UnrecordedSerial:
    """A serial that Astakos lists as pending and that no record has.

    `tag` is the tag in its name if it is of this ledger and lane, else None.
    """

    serial: int
    sighting: Sighting
    tag: Tag | None
    elsewhere: bool = False  # its tag is of another ledger, or of another lane
    bare: bool = False  # a record of the bare serial exists
    fresh: bool = False  # its name was read now; False: it was remembered
    identity: str = ""  # its `identity_of` when it was read
    description: str = ""  # its name and provisions if wanted: see `description_of`


#: What Astakos says of a pending commission; None: it is not pending any more (F39).
Info = Mapping[str, Any] | None


@dataclass(slots=True)
class InfoReader:
    """Asks Astakos about single commissions, in batches of 50.

    `each` runs the requests of a batch, perhaps several at a time. `patience` requests of a batch
    may fail; they are left for another time. With one more failure, or if the token is refused,
    no further request is sent. `turn` is called before each batch, and may raise to end the
    reading. Once `late` returns True, the batch asks nothing more: a slow Astakos then costs the
    deadline of one request, not of fifty.
    """

    astakos: Astakos
    each: Each[Info | AstakosClientException] = map
    patience: int = 0
    turn: Callable[[], None] = lambda: None
    late: Callable[[], bool] = lambda: False

    def read(self, serials: Sequence[int]) -> tuple[dict[int, Info], AstakosClientException | None]:
        """Return the answers by serial, and the error that ended the reading, if one did."""
        failed: list[AstakosClientException] = []
        fatal: list[AstakosClientException] = []

        def ask(serial: int) -> Info | AstakosClientException:
            if fatal:
                return fatal[0]
            if self.late():
                return AstakosClientException("not asked any more")
            try:
                return read_info(self.astakos, serial)
            except AstakosClientException as error:
                failed.append(error)
                if condition_of(error) is Condition.TOKEN or len(failed) > self.patience:
                    fatal.append(error)
                return error

        infos: dict[int, Info] = {}
        for batch in chunks(serials, BATCH):
            self.turn()
            failed.clear()
            answers = zip(batch, self.each(ask, batch), strict=True)
            infos |= {n: a for n, a in answers if not isinstance(a, AstakosClientException)}
            if fatal:
                return infos, fatal[0]
        return infos, None

    def tags(self, serials: Sequence[int]) -> dict[int, Tag | None]:
        """Return the tags of the serials that are still pending, as their names are now (F44)."""
        infos, error = self.read(serials)
        if error is not None:
            raise error
        return {n: read_tag(str(info["name"])) for n, info in infos.items() if info is not None}


def lists_ours(
    ledger: Ledger, lane: str, listed: Container[int], suspects: Container[int] = ()
) -> bool:
    """Return whether a list of Astakos holds a commission that the ledger holds as well.

    Suspects do not count. Nor do bare serials: only their callers say that they are ours.
    """
    above = 0
    while page := ledger.held(lane, above):
        if any(n in listed and n not in suspects and not is_bare(key) for n, key in page):
            return True
        above = page[-1][0]
    return False


def plausible(listed: int, held: int, limits: Limits) -> bool:
    """Return whether a list of `listed` serials can be right when the ledger holds `held` (F42)."""
    return held <= limits.brake_floor or listed * 2 >= held


def read_info(astakos: Astakos, serial: int) -> Info:
    """Return what Astakos says of a pending serial now; None if it does not know it (F39)."""
    try:
        return astakos.get_commission_info(serial)
    except NotFound as error:
        if error.outcome is not Outcome.REFUSED:
            raise  # a proxy's page says nothing about the serial
        return None


def identity_of(info: Mapping[str, Any]) -> str:
    """Return a text that tells a commission from another one with the same serial (F44)."""
    # A service's own client may give all of its commissions the same name. The time differs.
    text = json.dumps([info["name"], info.get("issue_time")])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unrecorded_serials(
    infos: InfoReader, ledger: Ledger, lane: str, listed: Iterable[int], namespace: str
) -> Iterator[UnrecordedSerial]:
    """Yield the listed serials that no record has, with what their names say."""
    for chunk in chunks(listed, CHUNK):
        known = ledger.find(lane, chunk)
        # The record of a bare serial does not say which program issued it. The name does.
        unknown = [n for n in chunk if n not in known or is_bare(known[n])]
        sightings = ledger.sightings(lane, unknown)
        texts = {
            n: sighting.description
            for n, sighting in sightings.items()
            if sighting.description is not None
        }
        new = [n for n in unknown if n not in texts]
        for some in chunks(new, BATCH):
            read, error = infos.read(some)
            found = {n: sighting_text(info) for n, info in read.items() if info is not None}
            ledger.remember_descriptions(lane, found)
            texts |= found
            if error is not None:
                raise error
        for serial in unknown:
            if serial not in texts:
                continue
            identity, text, description = _read_sighting(texts[serial])
            tag = read_tag(text)
            ours = tag if tag is not None and tag.namespace == namespace else None
            if ours is None and serial in known:
                continue
            yield UnrecordedSerial(
                serial,
                sightings[serial],
                ours,
                elsewhere=tag is not None and ours is None,
                bare=serial in known,
                fresh=sightings[serial].description is None,
                identity=identity,
                description=description,
            )


def sighting_text(info: Mapping[str, Any], about: str = "") -> str:
    """Return the text that is remembered of a serial: its identity, its tag, its description."""
    return f"{identity_of(info)} {read_tag(str(info['name'])) or ''}\t{about}"


def description_of(info: Mapping[str, Any]) -> str:
    """Return a commission's name and provisions as JSON, as they are remembered for an owner."""
    fields = ("holder", "source", "resource", "quantity")
    provisions = [[each[field] for field in fields] for each in info.get("provisions", ())]
    return json.dumps([caller_text(str(info["name"])), provisions])


def _read_sighting(remembered: str) -> tuple[str, str, str]:
    seen, _, rest = remembered.partition(" ")
    tag, _, description = rest.partition("\t")
    return seen, tag, description


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
