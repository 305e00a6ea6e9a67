"""The page behind the unsubscribe link, and RFC 8058's one click."""

import re
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, status
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifier.api.dependencies import Reading, Transaction
from services.notifier.models import Subscription
from services.notifier.repositories.subscriptions import SubscriptionRepository

HEADERS = {
    # Whoever knows the address of the page knows the secret: its length shall tell nothing.
    "Cache-Control": "no-store, no-transform",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("unsubscribe.html.j2")

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {
        "description": "A page that says that the link is not known.",
        "content": {"text/html": {}},
    }
}

# Without `GuardedRoute`: what counts clicks on links adds parameters of its own to them.
router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], default_response_class=HTMLResponse)


@router.get("/{token}", summary="Show the button that unsubscribes", responses=_UNKNOWN)
async def ask(token: str, session: Reading) -> HTMLResponse:
    """Changes nothing: mail programs follow links to look at them."""
    return _page(await SubscriptionRepository(session).by_token(token) if _known(token) else None)


@router.post("/{token}", summary="Unsubscribe, at once and for good", responses=_UNKNOWN)
async def unsubscribe(token: str, session: Transaction) -> HTMLResponse:
    """Ends all that the subscriber is told on the topic of the email.

    The body is not read: whether it comes from the page's button or is RFC 8058's
    `List-Unsubscribe=One-Click`, it means the same. Doing it again changes nothing.
    """
    repository = SubscriptionRepository(session)
    return _page(await repository.unsubscribe(token) if _known(token) else None, done=True)


def _known(token: str) -> bool:
    # PostgreSQL cannot even be asked about some characters.
    return _TOKEN.fullmatch(token) is not None


def _page(subscription: Subscription | None, *, done: bool = False) -> HTMLResponse:
    if subscription is None:
        content = _PAGE.render(topic=None, done=False)
        return HTMLResponse(content, status.HTTP_404_NOT_FOUND, HEADERS)
    done = done or subscription.wish is None
    return HTMLResponse(_PAGE.render(topic=subscription.topic, done=done), headers=HEADERS)
