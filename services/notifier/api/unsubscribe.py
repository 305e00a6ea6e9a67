"""The page behind the unsubscribe link, and RFC 8058's one click."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from heliograph.database import Session
from services.notifier.api.dependencies import Reading, Transaction
from services.notifier.api.pages import UNKNOWN, page, unknown, well_formed
from services.notifier.models import Subscription
from services.notifier.repositories.products import ProductRepository
from services.notifier.repositories.subscriptions import SubscriptionRepository

# Without `GuardedRoute`: what counts clicks on links adds parameters of its own to them.
router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], default_response_class=HTMLResponse)


@router.get("/{token}", summary="Show the button that unsubscribes", responses=UNKNOWN)
async def ask(token: str, session: Reading, request: Request) -> HTMLResponse:
    """Changes nothing: mail programs follow links to look at them."""
    found = await SubscriptionRepository(session).by_token(token) if well_formed(token) else None
    if found is None:
        return unknown()
    return await _page(found, session, of_digests=_of_digests(request))


@router.post("/{token}", summary="Unsubscribe, at once and for good", responses=UNKNOWN)
async def unsubscribe(token: str, session: Transaction, request: Request) -> HTMLResponse:
    """Ends all that the subscriber is told on the topic of the email; of a digest, on all of its.

    The body is not read: whether it comes from the page's button or is RFC 8058's
    `List-Unsubscribe=One-Click`, it means the same. Doing it again changes nothing.
    """
    if not well_formed(token):
        return unknown()
    of_digests = _of_digests(request)
    found = await SubscriptionRepository(session).unsubscribe(token, of_digests=of_digests)
    return unknown() if found is None else await _page(found, session, of_digests=of_digests)


def _of_digests(request: Request) -> bool:
    """Whether it is the link of a digest; whatever else stands there means nothing."""
    return request.query_params.get("all") == "digests"


async def _page(link: Subscription, session: Session, *, of_digests: bool) -> HTMLResponse:
    ending = await SubscriptionRepository(session).ending(link, of_digests=of_digests)
    name = None
    if link.product_id is not None and not ending.is_done:
        name = (await ProductRepository(session).names([link.product_id])).get(link.product_id)
    return page(
        "unsubscribe",
        state="done" if ending.is_done else "ask",
        token=link.token,
        topics=ending.topics,
        product_name=name,
    )
