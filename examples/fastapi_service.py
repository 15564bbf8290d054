r"""A compute service on FastAPI: a server's row and its commission are one transaction.

export DATABASE=sqlite+aiosqlite:///servers.db       # or postgresql+psycopg://..., +asyncpg://...
export ASTAKOS_OUTBOX_DATABASE=sqlite:///servers.db
astakos-worker relay &                               # sends what a dead process left behind
uvicorn examples.fastapi_service:app
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from astakos_worker import AsyncCommissions, Unavailable, UnknownKey
from astakos_worker.service.outbox import of_sqlalchemy

commissions = AsyncCommissions()
engine = create_async_engine(os.environ["DATABASE"])


class Base(DeclarativeBase):
    """The tables of the service: its own, and the outbox."""


class Server(Base):
    """A server; `key` is that of the commission that reserved its quota."""

    __tablename__ = "servers"
    name: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str]
    key: Mapped[str]


of_sqlalchemy.table(Base.metadata)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the tables, and close the engine at the end."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def transaction() -> AsyncIterator[AsyncSession]:
    """Give a handler its transaction, which commits before the answer is sent."""
    async with AsyncSession(engine) as session, session.begin():
        yield session


InTransaction = Annotated[AsyncSession, Depends(transaction, scope="function")]
app = FastAPI(lifespan=lifespan)


@app.post("/create")
async def create(name: str, user: str, session: InTransaction) -> dict[str, str]:
    """Create a server; its commission is issued and accepted if this commits."""
    key = f"{name}/create/{secrets.token_hex(4)}"
    session.add(Server(name=name, user=user, key=key))
    await reserve(session, user, 1, key)
    return {"key": key}


@app.delete("/servers/{name}")
async def delete(name: str, session: InTransaction) -> dict[str, str]:
    """Delete a server, and give back what Astakos has confirmed; 409: not confirmed yet."""
    found = await session.scalars(select(Server).where(Server.name == name).with_for_update())
    server = found.one()
    state = await outcome(server.key)
    if state["state"] not in {"accepted", "refused"}:
        raise HTTPException(409, state)
    await session.delete(server)
    if state["state"] == "accepted":  # if it was refused, there is nothing to give back
        await reserve(session, server.user, -1, server.key.replace("/create/", "/delete/"))
    return state


@app.get("/outcome/{key:path}")
async def outcome(key: str) -> dict[str, str]:
    """Return a commission's state; "waits": its row is in the outbox, or the ledger is away."""
    try:
        return {"state": (await commissions.get(key)).state}
    except (UnknownKey, Unavailable):
        return {"state": "waits"}


async def reserve(session: AsyncSession, user: str, servers: int, key: str) -> None:
    """Issue a commission in this transaction; below zero it gives back."""
    await commissions.in_transaction(session).issue(
        user=user, project=user, provisions={"cyclades.vm": servers}, key=key, accept=True
    )
