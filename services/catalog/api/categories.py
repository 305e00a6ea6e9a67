"""`/v1/categories`: create, list, read, patch and delete."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

import contracts
from heliograph.events import new_id
from heliograph.http import problems
from heliograph.payload import Payload
from heliograph.web import PAGE, Limit
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
from services.catalog.drafts import Name, absent
from services.catalog.errors import InvalidCursor
from services.catalog.repositories.categories import CategoryRepository
from services.catalog.repositories.cursors import LONGEST, read_cursor, write_cursor
from services.catalog.slugs import SLUG, slug_of

CACHE_CONTROL = "no-cache"

router = APIRouter(prefix="/v1/categories", tags=["categories"], route_class=IdempotentRoute)

_writes = problems("unauthenticated", "forbidden")

Slug = Annotated[str, Field(max_length=100, pattern=SLUG, examples=["desk-lamps"])]


class NewCategory(Payload):
    """A category to be created; its slug follows from its name unless it is given."""

    name: Name
    slug: Slug | None = None


class CategoryPatch(Payload):
    """A JSON merge patch (RFC 7396). A new name leaves the slug as it is: links hold it."""

    name: Name = Field(default_factory=absent)
    slug: Slug = Field(default_factory=absent)


class CategoryPage(BaseModel):
    """A page of categories, oldest first; `next` is the next page's `after`, null on the last."""

    items: list[contracts.Category]
    next: str | None


@router.post(
    "", summary="Create a category", status_code=201, responses=_writes | problems("conflict")
)
async def create_category(
    new: NewCategory, session: Creating, response: Response
) -> contracts.Category:
    id_ = new_id()
    # A name without a letter that a slug can hold leaves the id.
    slug = new.slug or slug_of(new.name) or str(id_)
    category = models.Category(id=id_, name=new.name, slug=slug)
    categories = CategoryRepository(session)
    saved = await categories.save(category)
    response.headers["Location"] = categories.snapshots.category_url(saved.id)
    response.headers["ETag"] = etag(saved.version)
    return saved


@router.head("", include_in_schema=False)
@router.get("", summary="List categories")
async def list_categories(
    session: Reading,
    limit: Limit = PAGE,
    after: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> CategoryPage:
    categories = CategoryRepository(session)
    found = await categories.page(limit=limit + 1, after=None if after is None else _id(after))
    page = [categories.snapshot(each) for each in found[:limit]]
    more = len(found) > limit
    return CategoryPage.model_construct(
        items=page, next=write_cursor(str(page[-1].id)) if more else None
    )


def _id(cursor: str) -> UUID:
    [category_id] = read_cursor(cursor, str)
    try:
        return UUID(str(category_id))
    except ValueError as error:
        raise InvalidCursor from error


@router.head("/{id}", response_model=contracts.Category, include_in_schema=False)
@router.get(
    "/{id}",
    summary="Read a category",
    response_model=contracts.Category,
    responses={304: {"description": "The client has this version."}, **problems("not-found")},
)
async def read_category(
    id: UUID, session: Reading, response: Response, if_none_match: IfNoneMatch = None
) -> contracts.Category | Response:
    categories = CategoryRepository(session)
    category = await categories.get(id)
    headers = validators(category.version, CACHE_CONTROL)
    if same := unchanged(if_none_match, headers):
        return same
    response.headers.update(headers)
    return categories.snapshot(category)


@router.patch(
    "/{id}",
    summary="Change a category",
    responses=_writes | problems("not-found", "conflict", "refused", "precondition-failed"),
    openapi_extra=merge_patch(CategoryPatch),
)
async def patch_category(
    id: UUID,
    patch: CategoryPatch,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> contracts.Category:
    categories = CategoryRepository(session)
    category = await categories.edit(id)
    check_match(category.version, if_match, if_none_match)
    for field in patch.model_fields_set:
        setattr(category, field, getattr(patch, field))
    saved = await categories.save(category)
    response.headers["ETag"] = etag(saved.version)
    return saved


@router.delete(
    "/{id}",
    summary="Delete a category in which no product stands",
    status_code=204,
    responses=_writes | problems("not-found", "conflict", "refused", "precondition-failed"),
)
async def delete_category(
    id: UUID, session: Writing, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
) -> None:
    categories = CategoryRepository(session)
    category = await categories.edit(id)
    check_match(category.version, if_match, if_none_match)
    await categories.delete(category)
