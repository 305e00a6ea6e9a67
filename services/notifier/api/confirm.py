"""The page behind the link that confirms a subscription."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from heliograph.database import Session
from heliograph.web import service_of
from services.notifier.api.dependencies import Reading, Transaction
from services.notifier.api.pages import (
    REQUEST_TOKEN,
    UNKNOWN,
    page,
    target_text,
    unknown,
    well_formed,
)
from services.notifier.repositories.products import ProductRepository
from services.notifier.repositories.requests import RequestRepository, StagedRequest
from services.notifier.service import Notifier

_PAGES: Final[dict[int | str, dict[str, Any]]] = UNKNOWN | {
    410: {
        "description": "A page that says that the link has expired.",
        "content": {"text/html": {}},
    },
}

# Without `GuardedRoute`: what counts clicks on links adds parameters of its own to them.
router = APIRouter(prefix="/confirm", tags=["confirm"], default_response_class=HTMLResponse)


@router.get("/{token}", summary="Show the button that confirms", responses=_PAGES)
async def ask(token: str, session: Reading) -> HTMLResponse:
    """Changes nothing: mail programs, and what looks for harmful links, follow it too."""
    asked = (
        await RequestRepository(session).find(token) if well_formed(token, REQUEST_TOKEN) else None
    )
    return await _page(session, asked)


@router.post("/{token}", summary="Confirm: the subscription begins", responses=_PAGES)
async def confirm(token: str, session: Transaction, request: Request) -> HTMLResponse:
    """Doing it again changes nothing, and begins no subscription that was ended meanwhile.

    The body is not read.
    """
    requests = RequestRepository(session, time_zone=service_of(request, Notifier).time_zone)
    return await _page(
        session, await requests.confirm(token) if well_formed(token, REQUEST_TOKEN) else None
    )


async def _page(session: Session, asked: StagedRequest | None) -> HTMLResponse:
    if asked is None:
        return unknown()
    wish, name = asked.request, None
    if wish.product_id is not None:
        names = await ProductRepository(session).names([wish.product_id])
        name = names.get(wish.product_id, "")
    return page(
        "confirm",
        410 if asked.stage == "expired" else 200,
        state=asked.stage,
        topic=wish.topic,
        product_name=name,
        target=target_text(wish.target_minor, wish.currency),
        frequency=wish.frequency,
    )
