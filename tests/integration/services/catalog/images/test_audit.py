import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from heliograph.events import new_id
from heliograph.storage import new_key
from services.catalog import models
from services.catalog.images.audit import Findings, ImageAudit
from services.catalog.repositories.images import ImageRepository
from services.catalog.service import Catalog
from tests import pictures
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import KEY, create, keys, stored
from tests.programs import command


@pytest.fixture
def audit(catalog: Catalog) -> ImageAudit:
    return ImageAudit(catalog.database, catalog.images)


@pytest.fixture
def put(catalog: Catalog, tmp_path: Path) -> Callable[..., str]:
    """Put a file into the store, as old as given in seconds; returns its key."""

    def put(age: float) -> str:
        key = new_key("png")
        path = tmp_path / "images" / key
        path.write_bytes(b"a file")
        written = path.stat().st_mtime - age
        os.utime(path, (written, written))
        return key

    return put


async def uploaded(client: httpx2.AsyncClient) -> list[str]:
    """Give a new product an image; returns the keys of its files."""
    product = await create(client, sku=new_id().hex)
    answer = await client.post(
        f"/v1/products/{product['id']}/images", files={"file": pictures.png(8, 8)}
    )
    return keys(answer.json())


async def test_files_and_images_that_belong_together_are_no_findings(
    client: httpx2.AsyncClient, audit: ImageAudit
) -> None:
    await uploaded(client)

    assert await audit.check() == Findings([], [])


async def test_a_file_without_an_image_is_found_once_it_is_an_hour_old(
    client: httpx2.AsyncClient, catalog: Catalog, audit: ImageAudit, put: Callable[..., str]
) -> None:
    kept = await uploaded(client)
    orphan, _young, intended = put(3_700), put(3_500), put(3_700)
    async with catalog.database.transaction() as session:
        await ImageRepository(session).intend([intended])

    findings = await audit.check()
    await audit.purge(findings.orphans)

    assert ([each.key for each in findings.orphans], findings.missing) == ([orphan], [])
    assert orphan not in await stored(catalog)
    assert set(kept) < set(await stored(catalog))
    assert not await audit.check()


async def test_an_image_without_its_files_is_found(
    client: httpx2.AsyncClient, catalog: Catalog, audit: ImageAudit
) -> None:
    whole, broken = await uploaded(client), await uploaded(client)
    await catalog.images.delete(broken[0])

    findings = await audit.check()

    assert [each.key for each in findings.missing] == [broken[0]]
    async with catalog.database.reading() as session:
        image = await session.get_one(models.Image, findings.missing[0].image_id)
    assert findings.missing[0].product_id == image.product_id
    assert image.key not in whole


async def test_what_changes_while_the_audit_looks_is_no_finding(
    client: httpx2.AsyncClient, catalog: Catalog, audit: ImageAudit
) -> None:
    async def come_and_go() -> None:
        for _ in range(5):
            product = await create(client, sku=new_id().hex)
            url = f"/v1/products/{product['id']}"
            image = (await client.post(f"{url}/images", files={"file": pictures.png(8, 8)})).json()
            await client.delete(url)
            for key in keys(image):
                await catalog.images.delete(key)

    changes = asyncio.create_task(come_and_go())
    while not changes.done():
        assert not await audit.check()
    await changes


@sqlite_suffices
async def test_the_command_tells_what_it_finds_and_fails_while_there_is_any(
    catalog: Catalog,
    database_url: str,
    image_store_url: str,
    put: Callable[..., str],
    tmp_path: Path,
) -> None:
    settings = {
        "CATALOG_DATABASE_URL": database_url,
        "CATALOG_SECRET_KEY": KEY,
        "CATALOG_IMAGE_STORE_URL": image_store_url,
    }
    orphan = put(3_700)

    async def check(*options: str) -> tuple[int, str]:
        words = ("images", "check", *options)
        ended = await asyncio.to_thread(
            command, tmp_path, "services.catalog", *words, settings=settings
        )
        assert ended.stderr == ""
        return ended.returncode, ended.stdout

    code, told = await check()
    assert (code, told.split(",")[0]) == (1, f"no image has the file {orphan}")
    code, told = await check("--purge")
    assert (code, told.splitlines()[-1]) == (0, "1 file deleted")
