"""The sweeper takes what is stale by the database's clock, whatever a process believes."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from heliograph.database import database_now
from heliograph.storage import new_key
from services.catalog.images.sweeper import Sweeper
from services.catalog.models import ImageIntent
from services.catalog.repositories import images
from services.catalog.repositories.images import ImageRepository
from services.catalog.service import Catalog


async def intend(catalog: Catalog) -> str:
    key = new_key("jpg")
    await catalog.images.put(key, b"a picture", "image/jpeg")
    async with catalog.database.transaction() as session:
        await ImageRepository(session).intend([key])
    return key


async def test_an_upload_of_a_process_whose_clock_is_behind_is_not_swept(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(images, "now", lambda: behind)
    key = await intend(catalog)
    assert not await Sweeper(catalog.database, catalog.images).sweep_one()
    assert await catalog.images.get(key) is not None


async def test_files_of_an_upload_that_came_to_nothing_are_swept(catalog: Catalog) -> None:
    key = await intend(catalog)
    async with catalog.database.transaction() as session:
        await session.execute(update(ImageIntent).values(created_at=database_now(-660)))
    assert await Sweeper(catalog.database, catalog.images).sweep_one()
    assert await catalog.images.get(key) is None
