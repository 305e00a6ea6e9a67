"""What routes ask for: who may write, and the session in which they work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from heliograph.database import Database, Session
from heliograph.storage import ImageStore
from heliograph.tokens import Caller
from heliograph.web import requires
from services.catalog.images.uploads import Uploads
from services.catalog.snapshots import Snapshots

Writer = Annotated[Caller, requires("catalog:write")]
Reader = Annotated[Caller, requires("catalog:read")]
Admin = Annotated[Caller, requires("catalog:admin")]


async def _database(request: Request) -> Database:
    database: Database = request.app.state.service.database
    return database


OwnDatabase = Annotated[Database, Depends(_database)]


@asynccontextmanager
async def writing(request: Request, caller: Caller) -> AsyncIterator[Session]:
    """Open the request's transaction."""
    database: Database = request.app.state.service.database
    async with database.transaction() as session:
        session.actor = caller.subject
        session.traceparent = request.state.traceparent
        yield session


# FastAPI takes its time for each dependency: these two, that most routes have, have few.
async def _writing(request: Request, caller: Writer) -> AsyncIterator[Session]:
    async with writing(request, caller) as session:
        yield session


async def _reading(request: Request) -> AsyncIterator[Session]:
    database: Database = request.app.state.service.database
    async with database.reading() as session:
        yield session


async def _images(request: Request) -> ImageStore:
    images: ImageStore = request.app.state.service.images
    return images


async def _snapshots(request: Request) -> Snapshots:
    snapshots: Snapshots = request.app.state.service.snapshots
    return snapshots


async def _uploads(request: Request) -> Uploads:
    uploads: Uploads = request.app.state.service.uploads
    return uploads


# The scope makes the commit come before the response: one that fails is not answered with 201.
Writing = Annotated[Session, Depends(_writing, scope="function")]
"""The request's transaction, for callers with `catalog:write`; committed before the response."""

Reading = Annotated[Session, Depends(_reading, scope="function")]
"""A session to read with; whatever is written in it is rolled back."""

Images = Annotated[ImageStore, Depends(_images)]
OwnSnapshots = Annotated[Snapshots, Depends(_snapshots)]
OwnUploads = Annotated[Uploads, Depends(_uploads)]
