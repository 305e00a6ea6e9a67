"""Products: pictures, history, and views by day."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from markupsafe import Markup
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from heliograph.storage import is_key
from heliograph.web import GuardedRoute
from services.console.api.dependencies import Reading, TheConsole, Viewer
from services.console.api.pages import page
from services.console.charts import bars
from services.console.peers import Peer, PeerError, gaps
from services.console.repositories.history import HistoryRepository

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

DAYS = 30
"""Days of views that are charted."""
PAGE = 50
PICTURE = "max-age=86400, private"
_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})


class Found(BaseModel):
    """What a list of products shows of one."""

    id: UUID
    sku: str
    name: str
    price: str
    currency: str
    created_at: AwareDatetime


class FoundPage(BaseModel):
    """A page of products; `next` is the next page's `after`."""

    items: Sequence[Found]
    next: str | None


class File(BaseModel):
    """A picture in one of its sizes, in pixels."""

    key: str
    width: int
    height: int


class Picture(File):
    """One of a product."""

    alt: str
    variants: Sequence[File]

    @property
    def smallest(self) -> str:
        """The key of its smallest file."""
        return min((self, *self.variants), key=lambda each: each.width * each.height).key


class Pictures(BaseModel):
    """All of a product."""

    items: Sequence[Picture]


class Day(BaseModel):
    """The views of a product on a day."""

    day: date
    count: int
    viewers: int


class Days(BaseModel):
    """The last of them, the newest first."""

    days: Sequence[Day]


@router.get("/products")
async def list_products(
    console: TheConsole,
    viewer: Viewer,
    q: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    wanted = q.strip() or None

    async def found(peer: Peer) -> FoundPage:
        return await peer.get_as(FoundPage, "/v1/products", q=wanted, after=after, limit=PAGE)

    answers = await console.peers.ask(found)
    return page("products", viewer, path="/products", answers=answers, q=q, after=after)


@router.get("/products/{id}")
async def show_product(console: TheConsole, session: Reading, viewer: Viewer, id: UUID) -> Response:
    """One product. It is not asked for by `GET /v1/products/{id}`: that would be a view."""
    history = HistoryRepository(session)
    days, images = await asyncio.gather(
        console.peers.ask(lambda peer: peer.get_as(Days, f"/v1/products/{id}/views/days")),
        console.peers.ask(lambda peer: peer.get_as(Pictures, f"/v1/products/{id}/images")),
    )
    changes, snapshot = await history.changes(id), await history.snapshot(id)
    answers = (*(each.value for each in days), *(each.value for each in images))
    known = snapshot is not None or any(each is not None for each in answers)
    missing = gaps(days, images)
    viewed = next((each.value.days for each in days if each.value is not None), ())
    if not known and not missing:
        said = "Nobody knows this product: no event of it is kept, and no service has it."
        return page("wrong", viewer, status=404, title="No such product", said=said)
    return page(
        "product",
        viewer,
        status=200 if known else 503,
        path="/products",
        id=id,
        product=snapshot,
        changes=changes,
        pictures=[
            (each.service, picture)
            for each in images
            if each.value is not None
            for picture in each.value.items
        ],
        days=viewed,
        chart=_chart(viewed) if viewed else None,
        missing=missing,
        kept_days=console.kept.days,
    )


@router.get("/pictures/{service}/{key:path}")
async def picture(
    console: TheConsole, viewer: Viewer, service: str, key: Annotated[str, Path(max_length=200)]
) -> Response:
    """The picture itself, so that a page loads it from where it came."""
    peer = console.peers.named(service)
    if peer is None or not is_key(key):
        return Response(status_code=404)
    try:
        found = await peer.read(f"/v1/images/{key}")
    except PeerError as error:
        return Response(status_code=404 if error.status == 404 else 503)  # noqa: PLR2004
    kind = found.headers.get("content-type", "").partition(";")[0]
    if kind not in _TYPES:
        return Response(status_code=404)
    headers = {
        "Cache-Control": PICTURE,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(found.content, media_type=kind, headers=headers)


def _chart(days: Sequence[Day]) -> Markup:
    """The views of the last days, also of those without any, the oldest first."""
    counts = {each.day: each.count for each in days}
    today = datetime.now(UTC).date()
    shown = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    values = [(each.isoformat(), counts.get(each, 0)) for each in shown]
    total = sum(value for _, value in values)
    return bars(values, title=f"Views by day, the last {DAYS} days: {total:,} in all")
