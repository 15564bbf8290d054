"""What Astakos holds as pending and the ledger does not know: for the probe and for the sweep.

The list is read first and the ledger afterwards. What a name says of its owner is remembered in
the ledger, so that a serial is looked at once, by whoever looks first.
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

#: Commissions that are asked about before what was learnt is remembered: no more are asked about
#: twice after a crash.
BATCH = 50

T = TypeVar("T")

#: Calls for each serial, perhaps some at a time, and gives the results in order; as `map` does.
Each = Callable[[Callable[[int], T], Sequence[int]], Iterable[T]]


@dataclass(frozen=True, slots=True)
class UnrecordedSerial:
    """A pending serial that no record has. `tag` is None for foreign ones."""

    serial: int
    sight: Sighting
    tag: Tag | None
    elsewhere: bool = False  # its tag is another ledger's, or another lane's
    bare: bool = False  # there is a record of the serial alone
    fresh: bool = False  # it was looked at just now, and is not remembered
    identity: str = ""  # its `identity_of` when it was looked at
    description: str = ""  # its name and provisions if wanted: see `description_of`


#: What Astakos says of a pending commission; None: it is not pending any more (F39).
Info = Mapping[str, Any] | None


@dataclass(slots=True)
class InfoReader:
    """Asks Astakos about single commissions, some at a time where `each` does.

    `patience`: so many requests of a batch may fail without an answer and are left for another
    time; one more, or a token that is refused, and no further request is sent. `turn` is called
    before each batch, and may raise to end it all; once `late` says so, nothing more is asked in
    the batch that is under way, so that a slow Astakos costs one request's deadline, not fifty.
    """

    astakos: Astakos
    each: Each[Info | AstakosClientException] = map
    patience: int = 0
    turn: Callable[[], None] = lambda: None
    late: Callable[[], bool] = lambda: False

    def read(self, serials: Sequence[int]) -> tuple[dict[int, Info], AstakosClientException | None]:
        """Return what was answered, and why it could not go on."""
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
        """Return the tags of those that are still pending, as their names are now (F44)."""
        infos, error = self.read(serials)
        if error is not None:
            raise error
        return {n: read_tag(str(info["name"])) for n, info in infos.items() if info is not None}


def lists_ours(
    ledger: Ledger, lane: str, listed: Container[int], suspects: Container[int] = ()
) -> bool:
    """Return whether a list of Astakos holds a commission that the ledger holds as well.

    One that is a suspect does not count, nor a bare serial: that is a caller's word alone.
    """
    above = 0
    while page := ledger.held(lane, above):
        if any(n in listed and n not in suspects and not is_bare(key) for n, key in page):
            return True
        above = page[-1][0]
    return False


def plausible(listed: int, held: int, limits: Limits) -> bool:
    """Return whether a list of so many may be right when the ledger holds so many (F42)."""
    return held <= limits.brake_floor or listed * 2 >= held


def read_info(astakos: Astakos, serial: int) -> Info:
    """Return what Astakos says of a pending serial now; None if it is gone (F39)."""
    try:
        return astakos.get_commission_info(serial)
    except NotFound as error:
        if error.outcome is not Outcome.REFUSED:
            raise  # a proxy's page says nothing about the serial
        return None


def identity_of(info: Mapping[str, Any]) -> str:
    """Return what is equal for one commission, and for two of one serial is not (F44)."""
    # A service's own client may give all of its commissions one name: the time tells them apart.
    text = json.dumps([info["name"], info.get("issue_time")])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unrecorded_serials(
    infos: InfoReader, ledger: Ledger, lane: str, listed: Iterable[int], namespace: str
) -> Iterator[UnrecordedSerial]:
    """Yield the listed serials that no record has, with what their names say of them."""
    for chunk in chunks(listed, CHUNK):
        known = ledger.find(lane, chunk)
        # A bare serial's record does not say whose the serial is; its name does.
        unknown = [n for n in chunk if n not in known or is_bare(known[n])]
        sights = ledger.sightings(lane, unknown)
        looks = {
            n: sight.description for n, sight in sights.items() if sight.description is not None
        }
        new = [n for n in unknown if n not in looks]
        for some in chunks(new, BATCH):
            read, error = infos.read(some)
            found = {n: sighting_text(info) for n, info in read.items() if info is not None}
            ledger.remember_descriptions(lane, found)
            looks |= found
            if error is not None:
                raise error
        for serial in unknown:
            if serial not in looks:
                continue
            identity, text, description = _read_sighting(looks[serial])
            tag = read_tag(text)
            ours = tag if tag is not None and tag.namespace == namespace else None
            if ours is None and serial in known:
                continue
            yield UnrecordedSerial(
                serial,
                sights[serial],
                ours,
                elsewhere=tag is not None and ours is None,
                bare=serial in known,
                fresh=sights[serial].description is None,
                identity=identity,
                description=description,
            )


def sighting_text(info: Mapping[str, Any], about: str = "") -> str:
    """Return what is remembered of a look: enough to know it again, and its tag if it has one."""
    return f"{identity_of(info)} {read_tag(str(info['name'])) or ''}\t{about}"


def description_of(info: Mapping[str, Any]) -> str:
    """Return a commission's name and provisions as they are remembered for an owner."""
    fields = ("holder", "source", "resource", "quantity")
    provisions = [[each[field] for field in fields] for each in info.get("provisions", ())]
    return json.dumps([caller_text(str(info["name"])), provisions])


def _read_sighting(remembered: str) -> tuple[str, str, str]:
    seen, _, rest = remembered.partition(" ")
    tag, _, told = rest.partition("\t")
    return seen, tag, told


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most so many items."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
