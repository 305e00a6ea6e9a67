"""The page behind the unsubscribe link, and RFC 8058's one click."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from services.notifier.api.dependencies import Reading, Transaction
from services.notifier.api.pages import UNKNOWN, page, unknown, well_formed
from services.notifier.models import Subscription
from services.notifier.repositories.preferences import PreferencesRepository
from services.notifier.repositories.products import ProductRepository
from services.notifier.repositories.subscriptions import SubscriptionRepository

# Without `GuardedRoute`: what counts clicks on links adds parameters of its own to them.
router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], default_response_class=HTMLResponse)


@router.get("/{token}", summary="Show the button that unsubscribes", responses=UNKNOWN)
async def ask(token: str, session: Reading) -> HTMLResponse:
    """Changes nothing: mail programs follow links to look at them."""
    found = await SubscriptionRepository(session).by_token(token) if well_formed(token) else None
    if found is None:
        return unknown()
    preferences = PreferencesRepository(session)
    left = await preferences.of(found.email)
    if all(each.topic != found.topic for each in left):
        return _page("done", found)
    name = None
    if found.product_id is not None:
        name = (await ProductRepository(session).names([found.product_id])).get(found.product_id)
    return _page("ask", found, name)


@router.post("/{token}", summary="Unsubscribe, at once and for good", responses=UNKNOWN)
async def unsubscribe(token: str, session: Transaction) -> HTMLResponse:
    """Ends all that the subscriber is told on the topic of the email.

    The body is not read: whether it comes from the page's button or is RFC 8058's
    `List-Unsubscribe=One-Click`, it means the same. Doing it again changes nothing.
    """
    found = await SubscriptionRepository(session).unsubscribe(token) if well_formed(token) else None
    return unknown() if found is None else _page("done", found)


def _page(state: str, subscription: Subscription, product_name: str | None = None) -> HTMLResponse:
    return page(
        "unsubscribe",
        state=state,
        token=subscription.token,
        topic=subscription.topic,
        product_name=product_name,
    )
