"""`m2m_changed`, held to the table of its arguments in Django's documentation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from heliograph import Event, Refused, m2m_changed
from heliograph.database import Session
from heliograph.events import new_id
from services.catalog import models
from services.catalog.errors import Conflict, UnknownCategory
from services.catalog.repositories import categories as room
from services.catalog.repositories.categories import CategoryRepository, ProductCategories
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from tests.integration.services.catalog.conftest import announced, listening


@dataclass(frozen=True, slots=True)
class Shelf:
    """A product that stands in the categories `stands_in`, and all categories by name."""

    product_id: UUID
    categories: dict[str, UUID]

    def ids(self, names: str) -> set[UUID]:
        return {self.categories[name] for name in names}

    def names(self, ids: list[str] | None) -> str | None:
        if ids is None:
            return None
        return "".join(sorted(name for name, id_ in self.categories.items() if str(id_) in ids))


async def _shelf(catalog: Catalog, stands_in: str) -> Shelf:
    async with catalog.database.transaction() as session:
        repository = CategoryRepository(session)
        categories = {}
        for name in "abcd":
            category = models.Category(id=new_id(), name=name, slug=name)
            await repository.save(category)
            categories[name] = category.id
        products = ProductRepository(session)
        product = models.Product(
            id=new_id(), sku="A-1", name="Lamp", description="", price_minor=1, currency="EUR",
            images=[], categories=[],
        )  # fmt: skip
        await products.save(product)
        shelf = Shelf(product.id, categories)
        await ProductCategories(products).add(product, shelf.ids(stands_in))
    return shelf


@asynccontextmanager
async def _editing(
    catalog: Catalog, shelf: Shelf
) -> AsyncIterator[tuple[ProductCategories, models.Product]]:
    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        product = await products.edit(shelf.product_id)
        yield ProductCategories(products), product


NotificationRetention = tuple[str, str | None]


@pytest.mark.parametrize(
    ("stands_in", "call", "given", "told", "left"),
    [
        pytest.param("", "add", "ab", [("add", "ab")], "ab", id="add"),
        pytest.param("a", "add", "ab", [("add", "b")], "ab", id="add names only the new"),
        pytest.param("ab", "add", "ab", [], "ab", id="add what is there is silent"),
        pytest.param("", "add", "", [], "", id="add nothing is silent"),
        pytest.param("ab", "remove", "a", [("remove", "a")], "b", id="remove"),
        pytest.param("a", "remove", "ab", [("remove", "ab")], "", id="remove names all given"),
        pytest.param("a", "remove", "b", [], "a", id="remove what is not there is silent"),
        pytest.param("ab", "clear", None, [("clear", None)], "", id="clear names none"),
        pytest.param("", "clear", None, [], "", id="clear of nothing is silent"),
        pytest.param("ab", "set", "bc", [("remove", "a"), ("add", "c")], "bc", id="set"),
        pytest.param("ab", "set", "abc", [("add", "c")], "abc", id="set to more"),
        pytest.param("ab", "set", "a", [("remove", "b")], "a", id="set to less"),
        pytest.param("ab", "set", "", [("remove", "ab")], "", id="set to none"),
        pytest.param("ab", "set", "ba", [], "ab", id="set to the same is silent"),
    ],
)
async def test_m2m_changed_is_sent_as_django_sends_it(
    catalog: Catalog,
    stands_in: str,
    call: str,
    given: str | None,
    told: list[NotificationRetention],
    left: str,
) -> None:
    shelf = await _shelf(catalog, stands_in)
    before = len(await announced(catalog))
    heard: list[tuple[str | None, frozenset[UUID] | None]] = []

    def hear(event: Event[models.Product]) -> None:
        heard.append((event.action, event.pk_set))

    with listening(m2m_changed, hear, models.Product):
        async with _editing(catalog, shelf) as (relation, product):
            arguments = () if given is None else (shelf.ids(given),)
            await getattr(relation, call)(product, *arguments)

    actions = [(f"{when}_{verb}", names) for verb, names in told for when in ("pre", "post")]
    assert [
        (action, None if pks is None else shelf.names([str(each) for each in pks]))
        for action, pks in heard
    ] == actions
    events = (await announced(catalog))[before:]
    assert [(each.body["action"], shelf.names(each.body["pk_set"])) for each in events] == actions
    assert all(each.body["field"] == "categories" for each in events)
    assert [each.sequence for each in events] == [
        f"{2:012d}.{place:04d}" for place in range(len(events))
    ]
    if events:
        assert shelf.names(events[0].body["instance"]["categories"]) == stands_in
        assert shelf.names(events[-1].body["instance"]["categories"]) == left
        assert events[-1].body["instance"]["version"] == 2
    async with catalog.database.reading() as session:
        product = await ProductRepository(session).get(shelf.product_id)
        assert shelf.names([str(each.id) for each in product.categories]) == left
        assert product.version == (2 if events else 1)


async def test_a_category_that_is_not_there_changes_nothing(catalog: Catalog) -> None:
    shelf = await _shelf(catalog, "a")
    before = len(await announced(catalog))
    with pytest.raises(UnknownCategory):
        async with _editing(catalog, shelf) as (relation, product):
            await relation.set(product, {new_id()})
    assert len(await announced(catalog)) == before


async def test_a_receiver_may_refuse_a_relation(catalog: Catalog) -> None:
    shelf = await _shelf(catalog, "a")
    before = len(await announced(catalog))

    def refuse(event: Event[models.Product]) -> None:
        if event.action == "pre_add":
            raise Refused("the shelf is full")

    async def fill() -> None:
        async with _editing(catalog, shelf) as (relation, product):
            await relation.set(product, shelf.ids("bc"))

    with listening(m2m_changed, refuse, models.Product), pytest.raises(Refused):
        await fill()
    assert len(await announced(catalog)) == before
    async with catalog.database.reading() as session:
        product = await ProductRepository(session).get(shelf.product_id)
        assert shelf.names([str(each.id) for each in product.categories]) == "a"


async def test_a_save_and_its_relations_make_one_version(catalog: Catalog) -> None:
    shelf = await _shelf(catalog, "a")
    before = len(await announced(catalog))
    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        product = await products.edit(shelf.product_id)
        product.name = "Lantern"
        await products.save(product)
        await ProductCategories(products).set(product, shelf.ids("b"))
    events = (await announced(catalog))[before:]
    assert [each.signal for each in events] == ["pre_save", "post_save"] + ["m2m_changed"] * 4
    assert [each.sequence for each in events] == [f"{2:012d}.{place:04d}" for place in range(6)]


async def test_a_category_in_use_is_not_deleted(catalog: Catalog) -> None:
    shelf = await _shelf(catalog, "a")

    async def delete(name: str) -> None:
        async with catalog.database.transaction() as session:
            repository = CategoryRepository(session)
            await repository.delete(await repository.edit(shelf.categories[name]))

    with pytest.raises(Conflict, match="products stand in the category a"):
        await delete("a")
    await delete("b")
    events = (await announced(catalog))[-2:]
    assert [each.key for each in events] == [
        "catalog.category.pre_delete", "catalog.category.post_delete",
    ]  # fmt: skip
    assert [each.headers["ce-subject"] for each in events] == [str(shelf.categories["b"])] * 2
    assert events[0].sequence == "000000000002.0000"


async def test_a_slug_belongs_to_one_category(catalog: Catalog) -> None:
    await _shelf(catalog, "")

    async def save(session: Session) -> None:
        await CategoryRepository(session).save(
            models.Category(id=new_id(), name="Another", slug="a")
        )

    with pytest.raises(Conflict, match="slug a"):
        async with catalog.database.transaction() as session:
            await save(session)


async def test_a_product_stands_in_so_many_categories_and_those_of_old_may_leave(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = await _shelf(catalog, "abc")
    monkeypatch.setattr(room, "MOST_CATEGORIES", 2)
    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        relation = ProductCategories(products)
        product = await products.edit(shelf.product_id)
        with pytest.raises(Conflict, match="at most 2 categories"):
            await relation.add(product, shelf.ids("d"))
        await relation.remove(product, shelf.ids("a"))
        with pytest.raises(Conflict, match="at most 2 categories"):
            await relation.add(product, shelf.ids("ad"))
        await relation.set(product, shelf.ids("cd"))
        assert {each.id for each in product.categories} == shelf.ids("cd")
