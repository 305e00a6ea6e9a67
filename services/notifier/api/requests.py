"""Requests to be subscribed over REST: anybody may ask, whoever reads the mail confirms."""

from fastapi import APIRouter, Request, Response, status

from heliograph.http import ProblemError, problems
from heliograph.web import GuardedRoute, service_of
from services.notifier.api.dependencies import Transaction
from services.notifier.api.subscriptions import NewSubscription
from services.notifier.repositories.requests import RequestRepository
from services.notifier.service import Notifier

router = APIRouter(
    prefix="/v1/subscriptions/requests", route_class=GuardedRoute, tags=["subscriptions"]
)


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_class=Response,
    summary="Ask to be subscribed",
    responses={
        **problems("too-many-requests"),
        202: {"description": "An email asks for a confirmation, if there is something to confirm."},
        429: {
            **problems("too-many-requests")[429],
            "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
        },
    },
)
async def request_subscription(
    new: NewSubscription, session: Transaction, request: Request
) -> Response:
    """Public. An email with a link asks whether it is wanted; the link is good for 48 hours.

    The answer is the same whatever is known of the address. An address is sent one such email in
    ten minutes, about the first wish: others in that time are dropped, and so is one for a
    subscription that exists. Who had unsubscribed, or whose address was not written to any more,
    may come back in this way.

    A client may ask 20 times in ten minutes.
    """
    service = service_of(request, Notifier)
    peer = request.client.host if request.client else None
    client = service.proxies.client(peer, request.headers.getlist("x-forwarded-for"))
    requests = RequestRepository(session)
    wait = await requests.wait_of(client)
    if wait is not None:
        raise ProblemError(
            "too-many-requests",
            f"Too many requests came from here; the next is taken in {wait} seconds.",
            headers={"Retry-After": str(wait)},
        )
    await requests.add(new.wish(), new.delivery())
    return Response(status_code=status.HTTP_202_ACCEPTED)
