"""`/v1/products`: create, list, read, patch and delete."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

import contracts
from heliograph import Event
from heliograph.database import Session
from heliograph.events import new_id
from heliograph.http import problems
from heliograph.payload import Payload
from heliograph.text import Line
from heliograph.web import PAGE, Limit, OptionalCaller
from services.catalog import models
from services.catalog.api.dependencies import Reading, Writing
from services.catalog.api.etags import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag,
    unchanged,
    validators,
)
from services.catalog.api.idempotency import Creating, IdempotentRoute
from services.catalog.api.payloads import merge_patch
from services.catalog.api.product_categories import set_categories
from services.catalog.drafts import Amount, NewProduct, ProductPatch
from services.catalog.repositories.listing import Listing, Sort
from services.catalog.repositories.products import ProductRepository
from services.catalog.repositories.reading import ProductReader

CACHE_CONTROL = "private, no-cache"
"""Every read asks, for every read is a view."""

router = APIRouter(prefix="/v1/products", tags=["products"], route_class=IdempotentRoute)

_writes = problems("unauthenticated", "forbidden")


class ProductPage(BaseModel):
    """A page of products; `next` is the next page's `after`, null on the last."""

    items: list[contracts.Product]
    next: str | None


class ProductQuery(Payload):
    """Which products to list; amounts are compared by their number, in any currency."""

    limit: Limit = PAGE
    after: Annotated[str | None, Query(max_length=1_500)] = None
    q: Annotated[str, Line(200)] | None = None
    category: UUID | None = None
    min_price: Amount | None = None
    max_price: Amount | None = None
    sort: Sort = "-created_at"


@router.post(
    "", summary="Create a product", status_code=201, responses=_writes | problems("conflict")
)
async def create_product(
    new: NewProduct, session: Creating, response: Response
) -> contracts.Product:
    products = ProductRepository(session)
    product = models.Product(id=new_id(), images=[], categories=[])
    new.fill(product)
    saved = await products.save(product)
    if new.categories:
        saved = await set_categories(products, product, new.categories)
    response.headers["Location"] = saved.url
    response.headers["ETag"] = etag(saved.version)
    return saved


@router.head("", include_in_schema=False)
@router.get("", summary="List products")
async def list_products(query: Annotated[ProductQuery, Query()], session: Reading) -> ProductPage:
    reader = session.collaborators[ProductReader]
    items, after = await reader.page(session, Listing(**dict(query)))
    return ProductPage.model_construct(items=items, next=after)


@router.head("/{id}", response_model=contracts.Product, include_in_schema=False)
@router.get(
    "/{id}",
    summary="Read a product",
    response_model=contracts.Product,
    responses={
        304: {"description": "The client has this version."},
        **problems("unauthenticated", "not-found"),
    },
    # Without a token too: who reads is then not known.
    openapi_extra={"security": [{}]},
)
async def read_product(
    id: UUID,
    request: Request,
    response: Response,
    session: Reading,
    caller: OptionalCaller,
    if_none_match: IfNoneMatch = None,
) -> contracts.Product | Response:
    product = await session.collaborators[ProductReader].read(id)
    if request.method == "GET":
        viewer = caller.subject if caller else None
        await _announce_view(product, viewer, session, request.state.traceparent)
    headers = validators(product.version, CACHE_CONTROL)
    if same := unchanged(if_none_match, headers):
        return same
    response.headers.update(headers)
    return product


async def _announce_view(
    product: contracts.Product, viewer: str | None, session: Session, traceparent: str
) -> None:
    view = contracts.View(product_id=product.id, viewer=viewer, viewed_at=datetime.now(UTC))
    event = Event(
        sender=models.Product,
        instance=product,
        snapshot=view,
        actor=viewer,
        time=view.viewed_at,
        traceparent=traceparent,
    )
    await contracts.viewed.send(event, session.collaborators)


@router.patch(
    "/{id}",
    summary="Change a product",
    responses=_writes | problems("not-found", "conflict", "refused", "precondition-failed"),
    openapi_extra=merge_patch(ProductPatch),
)
async def patch_product(
    id: UUID,
    patch: ProductPatch,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> contracts.Product:
    products = ProductRepository(session)
    product = await products.edit(id)
    check_match(product.version, if_match, if_none_match)
    patch.apply(product)
    saved = await products.save(product)
    if patch.new_categories is not None:
        saved = await set_categories(products, product, patch.new_categories)
    response.headers["ETag"] = etag(saved.version)
    return saved


@router.delete(
    "/{id}",
    summary="Delete a product with its images",
    status_code=204,
    responses=_writes | problems("not-found", "refused", "precondition-failed"),
)
async def delete_product(
    id: UUID, session: Writing, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
) -> None:
    products = ProductRepository(session)
    product = await products.edit(id)
    check_match(product.version, if_match, if_none_match)
    await products.delete(product)
