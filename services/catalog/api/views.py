"""Who viewed a product, and how often: `/v1/products/{id}/views`, `/v1/viewers/{viewer}`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.http import problems
from heliograph.web import PAGE, GuardedRoute, Limit
from services.catalog.api.dependencies import Admin, OwnCatalog, Reader, Reading
from services.catalog.errors import InvalidCursor, NotFound
from services.catalog.repositories.cursors import read_cursor, write_cursor
from services.catalog.repositories.views import ViewRepository

router = APIRouter(tags=["views"], route_class=GuardedRoute)


class Viewer(BaseModel):
    """Somebody who viewed the product with a token; `viewer` is the token's subject."""

    model_config = ConfigDict(from_attributes=True)

    viewer: str
    count: int
    last_viewed_at: AwareDatetime


class Views(BaseModel):
    """All views of a product, those without a token included, and a page of its viewers.

    `unique` counts viewers with a token, also those whose identity is no longer kept; who
    comes back after that counts again. `next` is the next page's `after`, null on the last.
    """

    count: int
    unique: int
    viewers: list[Viewer]
    next: str | None


@router.get(
    "/v1/products/{id}/views",
    summary="Who viewed a product, and how often",
    responses=problems("unauthenticated", "forbidden", "not-found"),
)
async def list_views(
    id: UUID,
    caller: Reader,
    session: Reading,
    limit: Limit = PAGE,
    after: Annotated[str | None, Query(max_length=1_500)] = None,
) -> Views:
    views = ViewRepository(session)
    last = None if after is None else _viewer(after)
    counts = await views.counts_of(id)
    if counts is None:
        raise NotFound(f"there never was a product {id}")
    found = await views.viewers_of(id, limit=limit + 1, after=last)
    page = [Viewer.model_validate(each) for each in found[:limit]]
    more = len(found) > limit
    after = write_cursor(page[-1].viewer) if more else None
    return Views(count=counts[0], unique=counts[1], viewers=page, next=after)


def _viewer(cursor: str) -> str:
    [viewer] = read_cursor(cursor, str)
    if not str(viewer).isprintable():  # as the subject of a token is
        raise InvalidCursor
    return str(viewer)


# The subject of a token may have a slash.
@router.delete(
    "/v1/viewers/{viewer:path}",
    summary="Forget which products somebody viewed; the counts stay",
    description="Views that are still on their way to the counts are recorded when they arrive: "
    "to forget those too, ask again a little later.",
    status_code=204,
    responses=problems("unauthenticated", "forbidden"),
)
async def forget_viewer(
    viewer: Annotated[str, Path(description="The subject of the viewer's token.")],
    caller: Admin,
    catalog: OwnCatalog,
) -> None:
    await catalog.viewers.forget(viewer)
