"""What the routes ask for."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, Field

from heliograph.database import Database, Session
from heliograph.text import Line
from services.notifier.mail.addresses import LONGEST_ADDRESS, valid_address

LARGEST_ID = 2**63 - 1


def _database(request: Request) -> Database:
    database: Database = request.app.state.service.database
    return database


async def _transaction(
    database: Annotated[Database, Depends(_database)],
) -> AsyncIterator[Session]:
    async with database.transaction() as session:
        yield session


async def _reading(database: Annotated[Database, Depends(_database)]) -> AsyncIterator[Session]:
    async with database.reading() as session:
        yield session


# In scope "function" the commit comes before the response: what is answered is durable.
Transaction = Annotated[Session, Depends(_transaction, scope="function")]
Reading = Annotated[Session, Depends(_reading, scope="function")]

Email = Annotated[
    str,
    Line(LONGEST_ADDRESS),
    AfterValidator(valid_address),
    Field(examples=["ada@example.org"]),
]
"""A plain address, its domain in lower case and ASCII."""

Limit = Annotated[int, Query(ge=1, le=100, description="Most items of the page.")]
