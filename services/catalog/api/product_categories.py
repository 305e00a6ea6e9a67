"""`/v1/products/{id}/categories`: in which categories a product stands."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Response

import contracts
from heliograph.http import FieldProblem, ProblemError, pointer, problems
from heliograph.payload import Payload
from heliograph.web import GuardedRoute
from services.catalog import models
from services.catalog.api.dependencies import Writing
from services.catalog.api.etags import IfMatch, IfNoneMatch, check_match, etag
from services.catalog.drafts import CategoryIds
from services.catalog.errors import NotFound, UnknownCategory
from services.catalog.repositories.categories import ProductCategories
from services.catalog.repositories.products import ProductRepository

router = APIRouter(
    prefix="/v1/products/{id}/categories", tags=["categories"], route_class=GuardedRoute
)

_writes = problems(
    "unauthenticated", "forbidden", "not-found", "conflict", "refused", "precondition-failed"
)


class StandsIn(Payload):
    """The categories of a product, all of them."""

    categories: CategoryIds


async def set_categories(
    products: ProductRepository, product: models.Product, category_ids: Sequence[UUID]
) -> contracts.Product:
    """Let the product stand in exactly these; raise the problem of those that are not there."""
    try:
        await ProductCategories(products).set(product, category_ids)
    except UnknownCategory as error:
        missing = unknown_categories(category_ids, error.category_ids)
        raise ProblemError("invalid", "A category does not exist.", errors=missing) from error
    return products.snapshot(product)


def unknown_categories(
    category_ids: Sequence[UUID], unknown: frozenset[UUID], *place: str | int
) -> list[FieldProblem]:
    """Point to each unknown id in the list of categories at `place` in the body."""
    return [
        FieldProblem(
            detail="There is no such category", pointer=pointer(*place, "categories", index)
        )
        for index, category_id in enumerate(category_ids)
        if category_id in unknown
    ]


@router.put("", summary="Set the categories of a product", responses=_writes)
async def put_categories(
    id: UUID,
    stands_in: StandsIn,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> contracts.Product:
    products = ProductRepository(session)
    product = await products.edit(id)
    check_match(product.version, if_match, if_none_match)
    saved = await set_categories(products, product, stands_in.categories)
    response.headers["ETag"] = etag(saved.version)
    return saved


@router.delete(
    "", summary="Take a product out of all its categories", status_code=204, responses=_writes
)
async def clear_categories(
    id: UUID,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    products = ProductRepository(session)
    product = await products.edit(id)
    check_match(product.version, if_match, if_none_match)
    await ProductCategories(products).clear(product)
    response.headers["ETag"] = etag(product.version)


@router.put(
    "/{category_id}", summary="Add a product to a category", status_code=204, responses=_writes
)
async def add_category(
    id: UUID,
    category_id: UUID,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    products = ProductRepository(session)
    product = await products.edit(id)
    check_match(product.version, if_match, if_none_match)
    try:
        await ProductCategories(products).add(product, [category_id])
    except UnknownCategory as error:
        raise NotFound(str(error)) from error
    response.headers["ETag"] = etag(product.version)


@router.delete(
    "/{category_id}",
    summary="Take a product out of a category",
    status_code=204,
    responses=_writes,
)
async def remove_category(
    id: UUID,
    category_id: UUID,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    products = ProductRepository(session)
    product = await products.edit(id)
    check_match(product.version, if_match, if_none_match)
    await ProductCategories(products).remove(product, [category_id])
    response.headers["ETag"] = etag(product.version)
