"""`POST /v1/products/batch`: many changes to products, all of them or none."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.catalog import models
from services.catalog.api.idempotency import Creating, IdempotentRoute
from services.catalog.api.payloads import NewProduct, ProductPatch
from services.catalog.api.product_categories import unknown_categories
from services.catalog.errors import UnknownCategory
from services.catalog.repositories.categories import ProductCategories
from services.catalog.repositories.products import ProductRepository
from shared.database import Session
from shared.events import new_id
from shared.problems import FieldProblem, ProblemError, pointer, problem_type, problems

MOST_ITEMS = 1_000
MAX_BODY_BYTES = 4 * 1024 * 1024

router = APIRouter(prefix="/v1/products", tags=["products"], route_class=IdempotentRoute)


class ProductUpdate(ProductPatch):
    """A merge patch of one product; refused unless the product has `version`, if that is given."""

    id: UUID
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None


class Batch(BaseModel):
    """At most 1,000 changes, done in this order; each product stands in it once."""

    model_config = ConfigDict(extra="forbid")

    delete: list[UUID] = Field(default_factory=list, max_length=MOST_ITEMS)
    update: list[ProductUpdate] = Field(default_factory=list, max_length=MOST_ITEMS)
    create: list[NewProduct] = Field(default_factory=list, max_length=MOST_ITEMS)

    @model_validator(mode="after")
    def _limit(self) -> Self:
        if len(self.delete) + len(self.update) + len(self.create) > MOST_ITEMS:
            raise PydanticCustomError(
                "too_long", "Must have at most {most} changes together", {"most": MOST_ITEMS}
            )
        return self


Op = Literal["delete", "update", "create"]


class Result(BaseModel):
    """What became of one change: `index` is its place in the list `op` of the batch.

    `version` is the product's now; that of a deletion is one more than the last.
    """

    op: Op
    index: int
    id: UUID
    version: int


class BatchResults(BaseModel):
    """One result for each change, in the order in which they were done."""

    results: list[Result]


@router.post(
    "/batch",
    summary="Delete, update and create many products at once",
    description="All or nothing. If not all can be done, one problem lists what is wrong with "
    "which change: 422 if the payload itself is wrong, else 409, where each error has the `type` "
    "of the problem that it would be alone.",
    max_body_size=MAX_BODY_BYTES,
    responses=problems("unauthenticated", "forbidden", "conflict", "refused", "too-large"),
)
async def change_products(batch: Batch, session: Creating) -> BatchResults:
    session.origin = "batch"
    work = _Work(session)
    await work.prepare(batch)
    return BatchResults.model_construct(results=await work.do())


class _Work:
    """A batch under way: first all that can be wrong is collected, then all is written."""

    def __init__(self, session: Session) -> None:
        self._products = ProductRepository(session)
        self._relation = ProductCategories(self._products)
        self._deleted: list[models.Product] = []
        self._updated: list[models.Product] = []
        self._created: list[models.Product] = []
        self._categories: list[tuple[models.Product, Sequence[UUID], Op, int]] = []
        self._places: dict[UUID, tuple[Op, int]] = {}
        self._invalid: list[FieldProblem] = []
        self._conflicts: list[FieldProblem] = []

    async def prepare(self, batch: Batch) -> None:
        """Lock and change the rows in memory; raise one problem for all that is wrong."""
        found = await self._products.edit_many(
            {*batch.delete, *(update.id for update in batch.update)}
        )
        for index, id_ in enumerate(batch.delete):
            if product := self._take(found, id_, "delete", index):
                self._deleted.append(product)
        for index, update in enumerate(batch.update):
            if product := self._take(found, update.id, "update", index, "id"):
                self._update(product, update, index)
        for index, new in enumerate(batch.create):
            self._create(new, index)
        await self._check_skus()
        await self._check_categories()
        if self._invalid:
            errors = self._invalid + self._conflicts
            raise ProblemError("invalid", "Nothing was changed.", errors=errors)
        if self._conflicts:
            raise ProblemError("conflict", "Nothing was changed.", errors=self._conflicts)

    async def do(self) -> list[Result]:
        """Write the changes, each between its signals."""
        await self._products.delete_many(sorted(self._deleted, key=lambda product: product.id))
        # In this order two batches never wait in a circle for each other's SKUs.
        self._created.sort(key=lambda product: product.sku)
        await self._products.save_many([*self._updated, *self._created])
        await self._relation.set_many((product, ids) for product, ids, *_ in self._categories)
        versions = {each.id: each.version for each in (*self._updated, *self._created)}
        versions |= {each.id: each.version + 1 for each in self._deleted}
        return [
            Result.model_construct(op=op, index=index, id=id_, version=versions[id_])
            for id_, (op, index) in self._places.items()
        ]

    def _take(
        self, found: dict[UUID, models.Product], id_: UUID, op: Op, index: int, *field: str
    ) -> models.Product | None:
        if id_ in self._places:
            place = pointer(op, index, *field)
            self._invalid.append(FieldProblem(detail="Stands in the batch twice", pointer=place))
            return None
        self._places[id_] = (op, index)
        if id_ not in found:
            self._clash("not-found", "There is no such product", op, index, *field)
        return found.get(id_)

    def _clash(self, name: str, detail: str, *place: str | int) -> None:
        self._conflicts.append(
            FieldProblem.model_validate(
                {"detail": detail, "pointer": pointer(*place), "type": problem_type(name)}
            )
        )

    def _update(self, product: models.Product, update: ProductUpdate, index: int) -> None:
        if update.version not in (None, product.version):
            detail = f"The product has version {product.version} now"
            self._clash("precondition-failed", detail, "update", index, "version")
        try:
            update.apply(product)
        except ProblemError as error:
            self._nest(error, "update", index)
        self._updated.append(product)
        if update.new_categories is not None:
            self._categories.append((product, update.new_categories, "update", index))

    def _create(self, new: NewProduct, index: int) -> None:
        product = models.Product(id=new_id(), images=[], categories=[])
        try:
            new.fill(product)
        except ProblemError as error:
            self._nest(error, "create", index)
        self._places[product.id] = ("create", index)
        self._created.append(product)
        if new.categories:
            self._categories.append((product, new.categories, "create", index))

    def _nest(self, error: ProblemError, op: Op, index: int) -> None:
        for each in error.errors:
            inner = (each.pointer or "#").removeprefix("#")
            place = pointer(op, index) + inner
            self._invalid.append(FieldProblem(detail=each.detail, pointer=place))

    async def _check_skus(self) -> None:
        products = [*self._updated, *self._created]
        clashing = await self._products.clashing(products, [each.id for each in self._deleted])
        for product in products:
            if product.sku in clashing:
                self._clash(
                    "conflict", "Another product has the SKU", *self._places[product.id], "sku"
                )

    async def _check_categories(self) -> None:
        try:
            await self._relation.find({id_ for _, ids, *_ in self._categories for id_ in ids})
        except UnknownCategory as error:
            for _, ids, op, index in self._categories:
                self._invalid += unknown_categories(ids, error.category_ids, op, index)
