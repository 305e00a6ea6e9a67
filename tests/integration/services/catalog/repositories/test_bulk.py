import asyncio
from itertools import groupby
from uuid import UUID

import pytest

from heliograph import Event, Refused, pre_save
from heliograph.events import new_id
from heliograph.storage import new_key
from services.catalog import models
from services.catalog.errors import Conflict, SkuTaken
from services.catalog.repositories.categories import CategoryRepository
from services.catalog.repositories.images import ImageRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from tests.integration.services.catalog.conftest import announced, listening, products
from tests.statements import statements_of


def _new(sku: str, price_minor: int = 100) -> models.Product:
    return models.Product(
        id=new_id(), sku=sku, name=f"Lamp {sku}", description="", price_minor=price_minor,
        currency="EUR", images=[], categories=[],
    )  # fmt: skip


async def _save_many(catalog: Catalog, *skus: str) -> list[UUID]:
    lamps = [_new(sku) for sku in skus]
    async with catalog.database.transaction() as session:
        await ProductRepository(session).save_many(lamps)
    return [lamp.id for lamp in lamps]


async def test_saving_many_announces_every_row_in_few_statements(catalog: Catalog) -> None:
    async with statements_of(catalog.database) as statements:
        ids = await _save_many(catalog, *[f"A-{number}" for number in range(200)])
    # BEGIN, the search for SKUs that are taken, the products, their events, COMMIT.
    assert len(statements) == 5
    events = await announced(catalog)
    assert len(events) == 400
    by_subject = sorted(events, key=lambda each: each.headers["ce-subject"])
    for subject, group in groupby(by_subject, key=lambda each: each.headers["ce-subject"]):
        assert UUID(subject) in ids
        assert [each.signal for each in group] == ["pre_save", "post_save"]


async def test_what_was_inserted_is_known_to_the_session(catalog: Catalog) -> None:
    lamps = [_new("A-1"), _new("A-2")]
    async with catalog.database.transaction() as session:
        repository = ProductRepository(session)
        await repository.save_many(lamps)
        assert await repository.get(lamps[0].id) is lamps[0]
        assert not session.dirty
        lamps[0].name = "Torch"
        await repository.save_many(lamps)
    events = [each for each in await announced(catalog) if each.body["created"] is False]
    assert [each.body["changes"]["name"]["to"] for each in events] == ["Torch", "Torch"]
    async with catalog.database.reading() as session:
        assert (await ProductRepository(session).get(lamps[0].id)).name == "Torch"


async def test_what_a_savepoint_undid_can_be_saved_again(catalog: Catalog) -> None:
    lamps = [_new("A-1"), _new("A-2")]
    async with catalog.database.transaction() as session:
        async with session.begin_nested() as savepoint:
            await ProductRepository(session).save_many(lamps)
            await savepoint.rollback()
        assert not any(lamp in session for lamp in lamps)
        await ProductRepository(session).save_many(lamps[1:])
    assert await products(catalog) == ["A-2"]
    assert {each.body["instance"]["sku"] for each in await announced(catalog)} == {"A-2"}


async def test_a_new_product_takes_the_sku_that_another_gives_up(catalog: Catalog) -> None:
    [id_] = await _save_many(catalog, "A-1")
    async with catalog.database.transaction() as session:
        repository = ProductRepository(session)
        old = await repository.edit(id_)
        old.sku = "A-2"
        await repository.save_many([_new("B-1"), old])
        await repository.save_many([_new("A-1")])
    assert await products(catalog) == ["A-1", "A-2", "B-1"]


async def test_a_new_product_brings_its_categories(catalog: Catalog) -> None:
    lamp = _new("A-1")
    async with catalog.database.transaction() as session:
        shelf = models.Category(id=new_id(), name="Lamps", slug="lamps")
        await CategoryRepository(session).save(shelf)
        lamp.categories = [shelf]
        await ProductRepository(session).save_many([lamp, _new("A-2")])
    async with catalog.database.reading() as session:
        found = await ProductRepository(session).get(lamp.id)
        assert [each.slug for each in found.categories] == ["lamps"]


async def test_a_sku_is_found_among_many_whatever_it_looks_like(catalog: Catalog) -> None:
    skus = ["it's", 'a "b"', "{x,y}", "[1]", "\\", "NULL", "émoji 🙂", "%_"]
    await _save_many(catalog, *skus)
    async with catalog.database.reading() as session:
        repository = ProductRepository(session)
        assert await repository.clashing([_new(sku) for sku in [*skus, "new"]]) == set(skus)
        assert await repository.clashing([]) == set()


async def test_a_refusal_of_one_row_undoes_all(catalog: Catalog) -> None:
    def refuse(event: Event[models.Product]) -> None:
        if event.instance.sku == "A-2":
            raise Refused("not this one")

    with listening(pre_save, refuse, models.Product), pytest.raises(Refused):
        await _save_many(catalog, "A-1", "A-2", "A-3")
    assert await products(catalog) == []
    assert await announced(catalog) == []


@pytest.mark.parametrize("skus", [("B-1", "A-1", "B-2"), ("B-1", "B-2", "B-1")])
async def test_a_taken_sku_is_named_and_nothing_is_saved(
    catalog: Catalog, skus: tuple[str, ...]
) -> None:
    await _save_many(catalog, "A-1")
    with pytest.raises(SkuTaken) as raised:
        await _save_many(catalog, *skus)
    assert raised.value.sku in {"A-1", "B-1"}
    assert await products(catalog) == ["A-1"]


@pytest.mark.parametrize("count", [2, 200])  # by one statement, and by COPY
async def test_a_sku_that_is_taken_meanwhile_leaves_the_products_new(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    async def nobody(*_: object) -> set[str]:
        return set()

    await _save_many(catalog, "A-1")
    monkeypatch.setattr(ProductRepository, "clashing", nobody)
    lamps = [_new(f"A-{number}") for number in range(count)]
    async with catalog.database.transaction() as session:
        with pytest.raises(Conflict):
            async with session.begin_nested():
                await ProductRepository(session).save_many(lamps)
        assert not any(lamp in session for lamp in lamps)
        await ProductRepository(session).save_many(lamps[:1])
    assert await products(catalog) == ["A-0", "A-1"]
    assert len(await announced(catalog)) == 4


async def test_updating_where_announces_what_changed_and_nothing_else(catalog: Catalog) -> None:
    await _save_many(catalog, "A-1", "A-2", "B-1")
    before = len(await announced(catalog))

    def reprice(product: models.Product) -> None:
        product.price_minor = 100 if product.sku == "A-1" else 50

    async with catalog.database.transaction() as session:
        count = await ProductRepository(session).update_where(
            models.Product.sku.startswith("A"), reprice
        )
    assert count == 2
    events = (await announced(catalog))[before:]
    assert [each.signal for each in events] == ["pre_save", "post_save"]
    assert events[0].body["changes"] == {"price": {"from": "1.00", "to": "0.50"}}
    assert events[0].body["update_fields"] == ["price"]


async def test_deleting_where_announces_every_row(catalog: Catalog) -> None:
    await _save_many(catalog, "A-1", "A-2", "B-1")
    before = len(await announced(catalog))
    async with catalog.database.transaction() as session:
        count = await ProductRepository(session).delete_where(models.Product.sku.startswith("A"))
    assert count == 2
    assert await products(catalog) == ["B-1"]
    events = (await announced(catalog))[before:]
    assert sorted(each.signal for each in events) == ["post_delete"] * 2 + ["pre_delete"] * 2
    assert {each.sequence[:12] for each in events} == {"000000000002"}


def _image() -> models.Image:
    return models.Image(
        id=new_id(), key=new_key("png"), content_type="image/png", width=1, height=1, bytes=1,
        variants=[], alt="",
    )  # fmt: skip


async def _picture(catalog: Catalog, product_ids: list[UUID], count: int) -> None:
    async with catalog.database.transaction() as session:
        images = ImageRepository(session)
        for product in (await ProductRepository(session).edit_many(product_ids)).values():
            for _ in range(count):
                await images.add(product, _image())


async def test_deleting_many_announces_their_images_in_few_statements(catalog: Catalog) -> None:
    ids = await _save_many(catalog, *[f"A-{number}" for number in range(100)])
    await _picture(catalog, ids, 5)
    before = len(await announced(catalog))
    async with statements_of(catalog.database) as statements, catalog.database.transaction() as s:
        assert await ProductRepository(s).delete_where(models.Product.sku.startswith("A")) == 100
    # BEGIN; the products with images and categories, and that there are no more; images,
    # relations and products deleted; the counts of views kept; the events; COMMIT.
    assert len(statements) == 10, statements
    events = (await announced(catalog))[before:]
    assert len(events) == 100 * (5 + 1) * 2
    by_subject = sorted(events, key=lambda each: (each.headers["ce-subject"], each.sequence))
    for _, group in groupby(by_subject, key=lambda each: each.headers["ce-subject"]):
        told = [(each.key, each.body["cascade"], each.sequence) for each in group]
        keys = ["catalog.image.pre_delete"] * 5 + ["catalog.image.post_delete"] * 5
        keys += ["catalog.product.pre_delete", "catalog.product.post_delete"]
        cascades = ["catalog.product"] * 10 + [None] * 2
        places = [f"000000000003.{place:04d}" for place in range(12)]
        assert told == [*zip(keys, cascades, places, strict=True)]
    async with catalog.database.reading() as session:
        assert [each async for each in ImageRepository(session).files()] == []


async def test_two_bulk_writes_over_the_same_rows_do_not_deadlock(catalog: Catalog) -> None:
    ids = await _save_many(catalog, *[f"A-{number}" for number in range(20)])

    async def raise_prices(order: list[UUID]) -> None:
        async with catalog.database.transaction() as session:
            repository = ProductRepository(session)
            found = await repository.edit_many(order)
            for product in found.values():
                product.price_minor += 1
            await repository.save_many(list(found.values()))

    await asyncio.gather(*[raise_prices(ids if turn % 2 else ids[::-1]) for turn in range(6)])
    async with catalog.database.reading() as session:
        found = await ProductRepository(session).get(ids[0])
        assert (found.price_minor, found.version) == (106, 7)
