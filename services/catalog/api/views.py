"""Who viewed a product, how often and when: `/v1/products/{id}/views`, `/v1/viewers/{viewer}`."""

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from heliograph.http import problems
from heliograph.web import PAGE, GuardedRoute, Limit
from services.catalog.api.dependencies import Admin, OwnCatalog, Reader, Reading
from services.catalog.errors import InvalidCursor, NotFound
from services.catalog.repositories.cursors import read_cursor, write_cursor
from services.catalog.repositories.views import ViewRepository

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

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


def _iso(day: object) -> object:
    # pydantic takes numbers for days too, since 1970.
    if isinstance(day, str) and not _DAY.fullmatch(day):
        raise ValueError("Must be a day, as in 2026-01-31")
    return day


class Day(BaseModel):
    """How often a product was viewed on a day, and by how many different viewers with a token.

    A day is one of UTC by `viewed_at`, the moment of the view, whenever that was counted. One that
    is counted a week late or later may count its viewer once more.
    """

    model_config = ConfigDict(from_attributes=True)

    day: date
    count: int
    viewers: int


class Days(BaseModel):
    """A page of the days on which a product was viewed, the newest first.

    Days without a view are left out. Views that a release counted which kept no days are in the
    product's count alone. `next` is the next page's `after`, null on the last.
    """

    days: list[Day]
    next: date | None


@router.get(
    "/v1/products/{id}/views/days",
    summary="How often a product was viewed on each day",
    responses=problems("unauthenticated", "forbidden", "not-found"),
)
async def list_days(
    id: UUID,
    caller: Reader,
    session: Reading,
    limit: Limit = PAGE,
    after: Annotated[
        date | None, BeforeValidator(_iso), Query(description="Only days before this one.")
    ] = None,
) -> Days:
    views = ViewRepository(session)
    if await views.counts_of(id) is None:
        raise NotFound(f"there never was a product {id}")
    found = await views.days_of(id, limit=limit + 1, before=after)
    page = [Day.model_validate(each) for each in found[:limit]]
    return Days(days=page, next=page[-1].day if len(found) > limit else None)


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
