"""A compute service after Cyclades' pattern: a row for each commission says how it was decided.

*The local commit is the decision; the accept only publishes it.* One transaction of the service's
database has both: what the service does, and what it decides about the commission. If a process
dies in between, the sweep asks `owner`, which looks into that database.

    export CYCLADES_DATABASE=sqlite:///$PWD/cyclades.db    # or postgresql+psycopg://...
    ASTAKOS_OWNER=examples.cyclades:owner make up             # and in another terminal:
    .venv/bin/python -m examples.cyclades create web-1 user01@example.org

The commit of a create or a delete also decides its commission. A start takes a while: the process
that hears of its end from the back end decides it.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal

import click
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    select,
    update,
)

from astakos_worker import CommissionFailed, Commissions, Lookups, OutcomeTimeout, UnknownKey
from astakos_worker.owners import Answer, Unsettled

VM, CPU = "cyclades.vm", "cyclades.cpu"

#: Seconds after which the sweep asks about an undecided commission: longer than any transaction.
DEADLINE = float(os.environ.get("CYCLADES_DEADLINE", "600"))

metadata = MetaData()
servers = Table(
    "servers",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("user", String(36), nullable=False),
    Column("project", String(36), nullable=False),
    Column("cpus", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # STOPPED, STARTING, STARTED, DELETED
)
quota = Table(
    "quota_commissions",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("server", ForeignKey("servers.name"), nullable=False),
    Column("pending", Boolean, nullable=False),  # not decided yet
    Column("accept", Boolean, nullable=False),  # how it was decided
    Column("resolved", Boolean, nullable=False),  # the ledger has the decision
)

Moment = Literal["before the commit", "after the commit"]


class Cyclades:
    """The service. `die_at` ends the process at a moment, as a power cut would."""

    def __init__(
        self, database: Engine, commissions: Commissions, die_at: Moment | None = None
    ) -> None:
        self.database = database
        self.commissions = commissions
        self.die_at = die_at
        metadata.create_all(database)

    # --- Decided as it is committed -----------------------------------------------------------

    def create(self, name: str, user: str, project: str, cpus: int = 2) -> None:
        """Create a server, stopped. `QuotaLimit` if the user may not have one more."""
        row = {"name": name, "user": user, "project": project, "cpus": cpus, "state": "STOPPED"}
        with self.database.begin() as transaction:
            transaction.execute(servers.insert().values(row))
            self._reserve(transaction, name, "create", {VM: 1}, accept=True)
        self._die("after the commit")
        self.publish()

    def delete(self, name: str) -> None:
        """Delete a server, whatever it is doing, and give back what it had."""
        self._settle(name)
        with self.database.begin() as transaction:
            alive = select(servers).where(servers.c.name == name, servers.c.state != "DELETED")
            server = transaction.execute(alive.with_for_update()).one_or_none()
            if server is None:
                raise click.ClickException(f"there is no server {name}")
            # A job that is under way is useless now: its commission is rejected.
            undecided = update(quota).filter_by(server=name, pending=True)
            transaction.execute(undecided.values(pending=False, accept=False))
            transaction.execute(update(servers).filter_by(name=name).values(state="DELETED"))
            back = {VM: -1, CPU: -server.cpus} if server.state == "STARTED" else {VM: -1}
            self._reserve(transaction, name, "delete", back, accept=True)
        self._die("after the commit")
        self.publish()

    # --- Decided later ------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Order the start of a server; the back end says later whether it succeeded."""
        with self.database.begin() as transaction:
            ordered = update(servers).where(servers.c.name == name, servers.c.state == "STOPPED")
            if not transaction.execute(ordered.values(state="STARTING")).rowcount:
                raise click.ClickException(f"there is no stopped server {name}")
            cpus = transaction.execute(select(servers.c.cpus).filter_by(name=name)).scalar_one()
            self._reserve(transaction, name, "start", {CPU: cpus}, accept=False)

    def job_ended(self, name: str, *, well: bool) -> None:
        """Write the server's state and the decision in one transaction, as the back end says."""
        with self.database.begin() as transaction:
            starting = update(servers).filter_by(name=name, state="STARTING")
            transaction.execute(starting.values(state="STARTED" if well else "STOPPED"))
            undecided = update(quota).filter_by(server=name, pending=True)
            transaction.execute(undecided.values(pending=False, accept=well))
            self._die("before the commit")
        self._die("after the commit")
        self.publish()

    # --- Commissions --------------------------------------------------------------------------

    def _reserve(
        self,
        transaction: Connection,
        name: str,
        action: str,
        provisions: dict[str, int],
        *,
        accept: bool,
    ) -> None:
        """Reserve quota, and keep the commission's row in the same transaction."""
        server = transaction.execute(select(servers).filter_by(name=name)).one()
        # Each try has a commission of its own. If a try dies, the owner settles its commission.
        key = f"{name}/{action}/{secrets.token_hex(4)}"
        commission = self.commissions.issue(
            user=server.user,
            project=server.project,
            provisions=provisions,
            key=key,
            name=f"{action} {name}",
            deadline=DEADLINE,
        )
        row = {"key": key, "server": name, "pending": not accept, "accept": accept}
        transaction.execute(quota.insert().values(**row, resolved=False))
        try:
            # A refused user gets nothing: `QuotaLimit` rolls back the whole transaction.
            commission.outcome(timeout=20)
            self._die("before the commit")
        except OutcomeTimeout:
            commission.reject("not in time")
            raise

    def _settle(self, name: str) -> None:
        """Wait until Astakos has confirmed what is decided: only that can be given back."""
        self.publish()
        with self.database.connect() as connection:
            decided = select(quota.c.key).filter_by(server=name, pending=False)
            keys = connection.execute(decided).scalars().all()
        for key in keys:
            with suppress(UnknownKey, CommissionFailed):  # ended long ago; or for a person
                self.commissions.outcome(key, timeout=20)

    def publish(self) -> None:
        """Give the ledger the decisions that it lacks: after each commit, and at the start."""
        with self.database.begin() as transaction:
            decided = transaction.execute(
                select(quota).where(~quota.c.pending, ~quota.c.resolved)
            ).all()
            became = self.commissions.resolve(
                accept=[row.key for row in decided if row.accept],
                reject=[row.key for row in decided if not row.accept],
            )
            # A decision that the ledger has not taken is tried again; the owner answers meanwhile.
            told = [key for key, one in became.items() if not isinstance(one, Exception)]
            transaction.execute(update(quota).where(quota.c.key.in_(told)).values(resolved=True))

    def _die(self, moment: Moment) -> None:
        if self.die_at == moment:
            os._exit(9)


def database() -> Engine:
    """Return the service's database: a file, unless CYCLADES_DATABASE names another."""
    return create_engine(os.environ.get("CYCLADES_DATABASE", "sqlite:///cyclades.db"))


# --- What the sweep asks -----------------------------------------------------------------------


def answers(engine: Engine, commissions: Sequence[Unsettled]) -> list[Answer]:
    """Return what the database says of each commission: one query for all of them."""
    keys = [each.key for each in commissions if each.key]
    with engine.connect() as connection:
        rows = connection.execute(select(quota).where(quota.c.key.in_(keys))).all()
    found = {row.key: row for row in rows}
    return [_answer(found.get(each.key), each) for each in commissions]


def _answer(row: Row | None, commission: Unsettled) -> Answer:
    if row is None:
        # Its transaction was rolled back, or is not committed yet.
        return "reject" if commission.age >= DEADLINE else "leave"
    if row.pending:
        return "leave"  # a job is under way; its end decides
    return "accept" if row.accept else "reject"


def owner(commissions: Sequence[Unsettled]) -> list[Answer]:
    """Answer the sweep; see ASTAKOS_OWNER."""
    return answers(database(), commissions)


# --- What `reconcile usage` asks ----------------------------------------------------------------


def counted(engine: Engine, projects: frozenset[str] | None) -> Iterable[tuple[str, str, str, int]]:
    """Yield what the servers that there are take of each resource."""
    there = servers.c.state != "DELETED"
    wanted = there if projects is None else there & servers.c.project.in_(projects)
    with engine.connect() as connection:
        for server in connection.execute(select(servers).where(wanted)):
            yield server.user, server.project, VM, 1
            yield server.user, server.project, CPU, server.cpus * (server.state == "STARTED")


def usage(projects: frozenset[str] | None) -> Iterable[tuple[str, str, str, int]]:
    """Count for `astakos-worker reconcile usage`; see ASTAKOS_USAGE."""
    return counted(database(), projects)


# --- By hand ------------------------------------------------------------------------------------


@click.group()
@click.option("--die", type=click.Choice(["before the commit", "after the commit"]))
@click.pass_context
def main(context: click.Context, die: Moment | None) -> None:
    """Run a small compute service; its database is in CYCLADES_DATABASE."""
    context.obj = Cyclades(database(), Commissions(), die)


@main.command()
@click.argument("name")
@click.argument("user")
@click.pass_obj
def create(service: Cyclades, name: str, user: str) -> None:
    """Create a server of two processors for a user (an e-mail address, or a uuid)."""
    uuid = Lookups().uuid(user) if "@" in user else user
    service.create(name, uuid, uuid)


@main.command()
@click.argument("name")
@click.pass_obj
def start(service: Cyclades, name: str) -> None:
    """Order a server's start."""
    service.start(name)


@main.command()
@click.argument("name")
@click.option("--failed", is_flag=True)
@click.pass_obj
def ended(service: Cyclades, name: str, failed: bool) -> None:
    """Say that the back end's job has ended."""
    service.job_ended(name, well=not failed)


@main.command()
@click.argument("name")
@click.pass_obj
def delete(service: Cyclades, name: str) -> None:
    """Delete a server."""
    service.delete(name)


@main.command()
@click.pass_obj
def show(service: Cyclades) -> None:
    """Publish what is decided, then list the servers and their commissions."""
    service.publish()
    with service.database.connect() as connection:
        for table in (servers, quota):
            for row in connection.execute(select(table)):
                print(*row)


if __name__ == "__main__":
    main()
