"""The owner: a function of the service that knows from its own database what is to be done.

A sweep asks it about commissions that the ledger cannot decide (F35, F37), in batches. It answers
`accept`, `reject` or `leave` for each, in order. If it fails or is late, nothing is done and an
alarm is raised: an owner that fails must never cost a commission.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from astakos_worker.ledger.request import Provision

Answer = Literal["accept", "reject", "leave"]

_ANSWERS: Final[tuple[str, ...]] = get_args(Answer)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A commission that an owner is asked about.

    `serial` is None if no serial is known. `key` is None if the ledger did not issue it. `name` is
    the caller's text without the tag. `age` is in seconds: since it was requested if the ledger
    has a record, otherwise since a sweep first saw it.
    """

    service: str
    key: str | None
    serial: int | None
    name: str
    provisions: tuple[Provision, ...]
    age: float


#: What `ASTAKOS_OWNER` names: `def owner(commissions): return ["accept", "leave", ...]`.
Owner = Callable[[Sequence[Unsettled]], Sequence[Answer]]

#: Asks the owner; an answer for each, in order. Raises `OwnerError`, in bounded time.
Ask = Callable[[Sequence[Unsettled]], Sequence[Answer]]


class OwnerError(Exception):
    """Raised when an owner failed, was late, or gave no valid answers."""


def checked(answers: object, asked: int) -> list[Answer]:
    """Return the answers as a list; raise `OwnerError` unless each of `asked` has a valid one."""
    if isinstance(answers, str) or not isinstance(answers, Sequence):
        kind = type(answers).__name__
        raise OwnerError(f"the owner answered with {kind}, not with a list of answers")
    if len(answers) != asked:
        raise OwnerError(f"the owner gave {len(answers)} answers for {asked} commissions")
    out: list[Answer] = []
    for answer in answers:
        if answer not in _ANSWERS:
            raise OwnerError(f"the owner answered {answer!r}; an answer is accept, reject or leave")
        out.append(answer)
    return out
