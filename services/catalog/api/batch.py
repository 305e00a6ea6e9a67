"""`POST /v1/products/batch`: many changes to products, all of them or none."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from heliograph import EventTooLarge, Refused
from heliograph.database import Session
from heliograph.events import new_id
from heliograph.http import FieldProblem, ProblemError, max_body, pointer, problem_type, problems
from heliograph.payload import Payload
from services.catalog import models
from services.catalog.api.idempotency import Creating, IdempotentRoute
from services.catalog.api.product_categories import unknown_categories
from services.catalog.drafts import NewProduct, ProductPatch
from services.catalog.errors import InvalidPrice, UnknownCategory
from services.catalog.repositories.categories import ProductCategories
from services.catalog.repositories.products import ProductRepository

MOST_ITEMS = 1_000
MAX_BODY_BYTES = 4 * 1024 * 1024
MOST_UNKNOWN_CATEGORIES = 1_000
"""Told in one answer, give or take those of a product: a batch may name 100,000."""

router = APIRouter(prefix="/v1/products", tags=["products"], route_class=IdempotentRoute)


class ProductUpdate(ProductPatch):
    """A merge patch of one product; refused unless the product has `version`, if that is given."""

    id: UUID
    version: Annotated[int, Field(ge=1, lt=2**31, strict=True)] | None = None


class Batch(Payload):
    """At most 1,000 changes, done in this order; each product stands in it once."""

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
    responses=problems("unauthenticated", "forbidden", "conflict", "refused", "too-large"),
)
@max_body(MAX_BODY_BYTES)
async def change_products(batch: Batch, session: Creating) -> BatchResults:
    session.origin = "batch"
    work = _Work(session)
    try:
        return BatchResults.model_construct(results=await work.do(batch))
    except EventTooLarge as error:
        raise work.too_large(error) from error
    except Refused as error:
        raise work.refused(error) from error


class _Work:
    """A batch under way. What cannot be done is collected; the transaction undoes the rest."""

    def __init__(self, session: Session) -> None:
        self._products = ProductRepository(session)
        self._relation = ProductCategories(self._products)
        self._places: dict[UUID, tuple[Op, int]] = {}
        self._categories: list[tuple[models.Product, Sequence[UUID]]] = []
        self._invalid: list[FieldProblem] = []
        self._conflicts: list[FieldProblem] = []

    async def do(self, batch: Batch) -> list[Result]:
        """Do all changes, each between its signals, or raise one problem for all that is wrong."""
        found = await self._products.edit_many(
            {*batch.delete, *(update.id for update in batch.update)}
        )
        deleted = [
            product
            for index, id_ in enumerate(batch.delete)
            if (product := self._take(found, id_, "delete", index))
        ]
        updated = [
            (product, update)
            for index, update in enumerate(batch.update)
            if (product := self._take(found, update.id, "update", index, "id"))
        ]
        await self._products.delete_many(sorted(deleted, key=lambda product: product.id))
        saved = [self._update(product, update) for product, update in updated]
        created = [self._create(new, index) for index, new in enumerate(batch.create)]
        # In this order two batches never wait in a circle for each other's SKUs.
        saved += sorted(created, key=lambda product: product.sku)
        await self._check_skus(saved)
        await self._check_categories()
        self._raise()
        await self._products.save_many(saved)
        await self._relation.set_many(self._categories)
        versions = {each.id: each.version for each in saved}
        versions |= {each.id: each.version + 1 for each in deleted}
        return [
            Result.model_construct(op=op, index=index, id=id_, version=versions[id_])
            for id_, (op, index) in self._places.items()
        ]

    def too_large(self, error: EventTooLarge) -> ProblemError:
        """The problem of a change that no event can announce, and where it stands."""
        place = pointer(*self._places[UUID(error.subject)])
        problem = FieldProblem(detail=str(error), pointer=place)
        return ProblemError("event-too-large", "Nothing was changed.", errors=[problem])

    def refused(self, error: Refused) -> ProblemError:
        """The problem of a change that a receiver refused, and where it stands."""
        about = error.event and error.event.snapshot
        if about is not None and about.subject in self._places:
            self._clash("refused", str(error), *self._places[about.subject])
        return ProblemError("refused", str(error), errors=self._conflicts)

    def _raise(self) -> None:
        if self._invalid:
            errors = self._invalid + self._conflicts
            raise ProblemError("invalid", "Nothing was changed.", errors=errors)
        if self._conflicts:
            raise ProblemError("conflict", "Nothing was changed.", errors=self._conflicts)

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

    def _update(self, product: models.Product, update: ProductUpdate) -> models.Product:
        place = self._places[product.id]
        if update.version not in (None, product.version):
            detail = f"The product has version {product.version} now"
            self._clash("precondition-failed", detail, *place, "version")
        try:
            update.apply(product)
        except InvalidPrice as error:
            self._misprice(error, *place)
        if update.new_categories is not None:
            self._categories.append((product, update.new_categories))
        return product

    def _create(self, new: NewProduct, index: int) -> models.Product:
        product = models.Product(id=new_id(), images=[], categories=[])
        self._places[product.id] = ("create", index)
        try:
            new.fill(product)
        except InvalidPrice as error:
            self._misprice(error, "create", index)
        if new.categories:
            self._categories.append((product, new.categories))
        return product

    def _misprice(self, error: InvalidPrice, *place: str | int) -> None:
        self._invalid.append(FieldProblem(detail=str(error), pointer=pointer(*place, error.field)))

    async def _check_skus(self, products: Sequence[models.Product]) -> None:
        clashing = await self._products.clashing(products)
        for product in products:
            if product.sku in clashing:
                place = self._places[product.id]
                self._clash("conflict", "Another product has the SKU", *place, "sku")

    async def _check_categories(self) -> None:
        try:
            await self._relation.find({id_ for _, ids in self._categories for id_ in ids})
        except UnknownCategory as error:
            told = len(self._invalid) + MOST_UNKNOWN_CATEGORIES
            for product, ids in self._categories:
                if len(self._invalid) >= told:
                    return
                place = self._places[product.id]
                self._invalid += unknown_categories(ids, error.category_ids, *place)
