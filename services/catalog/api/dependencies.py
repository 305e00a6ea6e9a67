"""What routes ask for: who may write, the session in which they work, and the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from heliograph.database import Session
from heliograph.tokens import Caller
from heliograph.web import requires, service_of
from services.catalog.service import Catalog

Writer = Annotated[Caller, requires("catalog:write")]
Reader = Annotated[Caller, requires("catalog:read")]
Admin = Annotated[Caller, requires("catalog:admin")]


async def _catalog(request: Request) -> Catalog:
    return service_of(request, Catalog)


OwnCatalog = Annotated[Catalog, Depends(_catalog)]
"""The service itself, for routes that need more of it than a session."""


@asynccontextmanager
async def writing(request: Request, caller: Caller) -> AsyncIterator[Session]:
    """Open the request's transaction."""
    async with service_of(request, Catalog).database.transaction() as session:
        session.actor = caller.subject
        session.traceparent = request.state.traceparent
        yield session


# FastAPI takes its time for each dependency: these two, that most routes have, have few.
async def _writing(request: Request, caller: Writer) -> AsyncIterator[Session]:
    async with writing(request, caller) as session:
        yield session


async def _reading(request: Request) -> AsyncIterator[Session]:
    async with service_of(request, Catalog).database.reading() as session:
        yield session


# The scope makes the commit come before the response: one that fails is not answered with 201.
Writing = Annotated[Session, Depends(_writing, scope="function")]
"""The request's transaction, for callers with `catalog:write`; committed before the response."""

Reading = Annotated[Session, Depends(_reading, scope="function")]
"""A session to read with; whatever is written in it is rolled back."""
