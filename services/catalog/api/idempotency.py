"""`Idempotency-Key`: how calls that create are made safe to send again.

A route of class `IdempotentRoute` whose endpoint asks for `Creating` honours the header.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError

from heliograph.database import Session
from heliograph.tokens import Caller
from heliograph.web import GuardedRoute, service_of
from services.catalog.api.dependencies import Writer, writing
from services.catalog.models import StoredAnswer
from services.catalog.repositories.idempotency import IdempotencyRepository, KeyedRequest
from services.catalog.service import Catalog

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern="^[ -~]+$",
        description="Sent again with the same key and body, the request is not done again: it "
        "gets the same answer, with `Idempotent-Replayed: true`. Kept for 24 hours.",
    ),
]


class Answered(Exception):
    """Ends a request that was answered before."""

    def __init__(self, stored: StoredAnswer) -> None:
        super().__init__()
        self.stored = stored


class IdempotentRoute(GuardedRoute):
    """Stores the answer to a request under a key, and gives it again."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.methods != {"POST"}:
            return handle

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except Answered as answered:
                return _replay(answered.stored)
            # The transaction is still open: FastAPI closes it when this has returned.
            keyed: tuple[Session, KeyedRequest] | None = getattr(request.state, "keyed", None)
            if keyed is not None:
                _keep(*keyed, response)
            return response

        return answer


def _keep(session: Session, request: KeyedRequest, response: Response) -> None:
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    IdempotencyRepository(session).keep(
        request, status=response.status_code, headers=headers, body=bytes(response.body)
    )


def _replay(stored: StoredAnswer) -> Response:
    headers = stored.headers | {"Idempotent-Replayed": "true"}
    return Response(stored.body, stored.status, headers)


@contextmanager
def held_key(
    request: Request, caller: Caller, key: str | None, fingerprint: bytes
) -> Iterator[KeyedRequest | None]:
    """Keep the key from any other request of this process; raise `KeyInUse`."""
    if len(request.headers.getlist("idempotency-key")) > 1:
        twice = {"type": "too_long", "loc": ("header", "Idempotency-Key"), "msg": "Given twice"}
        raise RequestValidationError([twice])
    if key is None:
        yield None
        return
    keyed = KeyedRequest(caller.subject, request.method, request.url.path, key, fingerprint)
    with service_of(request, Catalog).idempotency_keys.hold(keyed):
        yield keyed


async def claim_key(request: Request, keyed: KeyedRequest | None, session: Session) -> None:
    """Let `session` store the answer with its change; raise `Answered` if there is one already."""
    if keyed is None:
        return
    stored = await IdempotencyRepository(session).claim(keyed)
    if stored is not None:
        raise Answered(stored)
    request.state.keyed = (session, keyed)


async def _creating(
    request: Request, caller: Writer, idempotency_key: IdempotencyKey = None
) -> AsyncIterator[Session]:
    payload = hashlib.sha256(request.headers.get("content-type", "").encode() + b"\n")
    payload.update(await request.body())
    # The key is held before the transaction opens and until after it has committed.
    with held_key(request, caller, idempotency_key, payload.digest()) as keyed:
        async with writing(request, caller) as session:
            await claim_key(request, keyed, session)
            yield session


Creating = Annotated[Session, Depends(_creating, scope="function")]
"""`Writing`, under the request's `Idempotency-Key` if it has one."""
