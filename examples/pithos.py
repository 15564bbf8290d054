"""A storage service after Pithos' pattern: a commission's key is in the database, or it is not.

A file and the keys of its commissions are committed together. So a key in the database means
accept. A key that is not there belongs to a request that was never committed, and means reject. The
row of a key is deleted when Astakos has confirmed the commission: until then only the row knows.

    export PITHOS_DATABASE=sqlite:///$PWD/pithos.db        # or postgresql+psycopg://...
    ASTAKOS_OWNER=examples.pithos:owner make up               # and in another terminal:
    .venv/bin/python -m examples.pithos upload user01@example.org /cat.jpg 1048576
"""

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import click
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    func,
    select,
    update,
)

from astakos_worker import Commission, Commissions, Lookups
from astakos_worker.owners import Answer, Unsettled

SPACE = "pithos.diskspace"

#: Seconds after which the sweep asks about an undecided commission: longer than any request.
DEADLINE = float(os.environ.get("PITHOS_DEADLINE", "600"))

metadata = MetaData()
files = Table(
    "files",
    metadata,
    Column("path", String(150), primary_key=True),
    Column("user", String(36), nullable=False),
    Column("project", String(36), nullable=False),
    Column("size", BigInteger, nullable=False),
)
unconfirmed = Table(
    "unconfirmed",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("path", String(150), nullable=False),
)

Moment = Literal["before the commit", "after the commit"]


class Pithos:
    """The service. `die_at` ends the process at a moment, as a power cut would."""

    def __init__(
        self, database: Engine, commissions: Commissions, die_at: Moment | None = None
    ) -> None:
        self.database = database
        self.commissions = commissions
        self.die_at = die_at
        metadata.create_all(database)

    def upload(self, user: str, project: str, path: str, size: int) -> None:
        """Store a file, or another version of it. Raises `QuotaLimit` if there is no room."""

        def store(transaction: Connection) -> Iterable[Commission]:
            there = transaction.execute(select(files).filter_by(path=path)).one_or_none()
            if there and (there.user, there.project) != (user, project):
                raise click.ClickException(f"{path} is another's")
            if there:
                transaction.execute(update(files).filter_by(path=path).values(size=size))
            else:
                row = {"path": path, "user": user, "project": project, "size": size}
                transaction.execute(files.insert().values(row))
            if change := size - (there.size if there else 0):
                yield self._issue(f"upload {path}", user, project, change)

        self._request(path, store)

    def remove(self, path: str) -> None:
        """Remove a file, and give back its room."""

        def forget(transaction: Connection) -> Iterable[Commission]:
            gone = transaction.execute(delete(files).filter_by(path=path).returning(files)).one()
            yield self._issue(f"remove {path}", gone.user, gone.project, -gone.size)

        self._request(path, forget)

    def move(self, path: str, project: str) -> None:
        """Have another project pay for a file."""

        def charge(transaction: Connection) -> Iterable[Commission]:
            there = transaction.execute(select(files).filter_by(path=path)).one()
            transaction.execute(update(files).filter_by(path=path).values(project=project))
            yield self.commissions.reassign(
                user=there.user,
                provisions={(there.project, project, SPACE): there.size},
                key=f"move {path}/{secrets.token_hex(4)}",
                deadline=DEADLINE,
            )

        self._request(path, charge)

    # --- A request and its commissions --------------------------------------------------------

    def _request(self, path: str, work: Callable[[Connection], Iterable[Commission]]) -> None:
        """Do the work of a request; its commit decides its commissions."""
        self._settle(path)
        issued: list[Commission] = []
        try:
            with self.database.begin() as transaction:
                for commission in work(transaction):
                    issued.append(commission)
                    commission.outcome(timeout=20)
                    transaction.execute(unconfirmed.insert().values(key=commission.key, path=path))
                self._die("before the commit")
        except Exception:
            # The sweep would reject them too, but only after their deadline.
            self.commissions.resolve(reject=[each.key for each in issued])
            raise
        self._die("after the commit")
        self.publish()

    def _issue(self, what: str, user: str, project: str, change: int) -> Commission:
        return self.commissions.issue(
            user=user,
            project=project,
            provisions={SPACE: change},
            # Each try has a commission of its own. If a try dies, the owner settles it.
            key=f"{what}/{secrets.token_hex(4)}",
            name=what,
            deadline=DEADLINE,
        )

    def _settle(self, path: str) -> None:
        """Wait until Astakos has confirmed a file's commissions: only those can be given back."""
        self.publish()
        with self.database.connect() as connection:
            keys = connection.execute(select(unconfirmed.c.key).filter_by(path=path)).scalars()
            for key in keys.all():
                self.commissions.outcome(key, timeout=20)

    def publish(self) -> None:
        """Accept what is committed, and delete what Astakos has confirmed. May be repeated."""
        with self.database.begin() as transaction:
            keys = transaction.execute(select(unconfirmed.c.key)).scalars().all()
            became = self.commissions.resolve(accept=keys)
            confirmed = [
                key
                for key, outcome in became.items()
                if not isinstance(outcome, Exception) and outcome.state == "accepted"
            ]
            transaction.execute(delete(unconfirmed).where(unconfirmed.c.key.in_(confirmed)))

    def _die(self, moment: Moment) -> None:
        if self.die_at == moment:
            os._exit(9)


def database() -> Engine:
    """Return the service's database: a file, unless PITHOS_DATABASE names another."""
    return create_engine(os.environ.get("PITHOS_DATABASE", "sqlite:///pithos.db"))


# --- What the sweep asks -----------------------------------------------------------------------


def answers(engine: Engine, commissions: Sequence[Unsettled]) -> list[Answer]:
    """Accept the keys in the database; reject the others once they are older than the deadline."""
    keys = [each.key for each in commissions if each.key]
    with engine.connect() as connection:
        committed = set(
            connection.execute(select(unconfirmed.c.key).where(unconfirmed.c.key.in_(keys)))
            .scalars()
            .all()
        )
    return [
        "accept" if each.key in committed else "reject" if each.age >= DEADLINE else "leave"
        for each in commissions
    ]


def owner(commissions: Sequence[Unsettled]) -> list[Answer]:
    """Answer the sweep; see ASTAKOS_OWNER."""
    return answers(database(), commissions)


# --- What `reconcile usage` asks ----------------------------------------------------------------


def counted(engine: Engine, projects: frozenset[str] | None) -> Iterable[tuple[str, str, str, int]]:
    """Yield what the files of each user in each project take, as the database sums it."""
    sums = select(files.c.user, files.c.project, func.sum(files.c.size))
    if projects is not None:
        sums = sums.where(files.c.project.in_(projects))
    with engine.connect() as connection:
        for user, project, size in connection.execute(sums.group_by("user", "project")):
            yield user, project, SPACE, int(size)


def usage(projects: frozenset[str] | None) -> Iterable[tuple[str, str, str, int]]:
    """Count for `astakos-worker reconcile usage`; see ASTAKOS_USAGE."""
    return counted(database(), projects)


# --- By hand ------------------------------------------------------------------------------------


@click.group()
@click.option("--die", type=click.Choice(["before the commit", "after the commit"]))
@click.pass_context
def main(context: click.Context, die: Moment | None) -> None:
    """Run a small storage service; its database is in PITHOS_DATABASE."""
    context.obj = Pithos(database(), Commissions(), die)


@main.command()
@click.argument("user")
@click.argument("path")
@click.argument("size", type=int)
@click.pass_obj
def upload(service: Pithos, user: str, path: str, size: int) -> None:
    """Store a file of so many bytes for a user (an e-mail address, or a uuid)."""
    uuid = Lookups().uuid(user) if "@" in user else user
    service.upload(uuid, uuid, path, size)


@main.command()
@click.argument("path")
@click.pass_obj
def remove(service: Pithos, path: str) -> None:
    """Remove a file."""
    service.remove(path)


@main.command()
@click.argument("path")
@click.argument("project")
@click.pass_obj
def move(service: Pithos, path: str, project: str) -> None:
    """Have another project pay for a file."""
    service.move(path, project)


@main.command()
@click.pass_obj
def show(service: Pithos) -> None:
    """List the files, and the commissions that Astakos has not confirmed yet."""
    service.publish()
    with service.database.connect() as connection:
        for table in (files, unconfirmed):
            for row in connection.execute(select(table)):
                print(*row)


if __name__ == "__main__":
    main()
