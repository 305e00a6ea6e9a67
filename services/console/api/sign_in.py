"""Signing in and out."""

import time
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from heliograph.tokens import InvalidToken
from heliograph.web import GuardedRoute
from services.console.api.dependencies import (
    Sender,
    TheConsole,
    Transaction,
    check_origin,
    cookie_name,
)
from services.console.api.pages import local_path, page, see_other
from services.console.repositories.sign_in import SESSION_LASTS, LinkNotGood, SignInRepository
from services.console.service import Console

SCOPES = frozenset({"console:read", "console:admin"})

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(next: str = "/") -> Response:
    return page("sign_in", None, said=None, next=local_path(next))


@router.get("/sign-in/{token}")
async def follow_link(
    request: Request, console: TheConsole, session: Transaction, token: str
) -> Response:
    repository = SignInRepository(session)
    try:
        person, scopes = await repository.follow_link(token)
    except LinkNotGood as error:
        return _refused(str(error))
    secret = await repository.begin(person, scopes, SESSION_LASTS)
    return await _signed_in(request, console, repository, secret, "/")


@router.post("/sign-in")
async def sign_in(
    request: Request,
    console: TheConsole,
    session: Transaction,
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    check_origin(request, console)
    there = local_path(next)
    try:
        caller = console.tokens.verify(token.strip())
        expires = console.tokens.expires(token.strip())
    except InvalidToken as error:
        return _refused(str(error), there)
    scopes = caller.scopes & SCOPES
    if not scopes:
        return _refused("The token lacks the scope console:read, and console:admin too.", there)
    repository = SignInRepository(session)
    now = time.time()
    lasts = timedelta(seconds=min(expires, now + SESSION_LASTS.total_seconds()) - now)
    secret = await repository.begin(caller.subject, scopes, lasts)
    return await _signed_in(request, console, repository, secret, there)


@router.post("/sign-out")
async def sign_out(
    request: Request, console: TheConsole, session: Transaction, viewer: Sender
) -> Response:
    name = cookie_name(console)
    await SignInRepository(session).end(request.cookies[name])
    response = see_other("/sign-in")
    response.delete_cookie(name, secure=_is_secure(console), httponly=True, samesite="lax")
    return response


def _refused(said: str, there: str = "/") -> Response:
    return page("sign_in", None, status=403, said=said, next=there)


async def _signed_in(
    request: Request, console: Console, repository: SignInRepository, secret: str, there: str
) -> Response:
    """Let the browser have its new session, and end the one that it had."""
    name = cookie_name(console)
    if name in request.cookies:
        await repository.end(request.cookies[name])
    response = see_other(there)
    response.set_cookie(
        name, secret, httponly=True, samesite="lax", secure=_is_secure(console), path="/"
    )
    return response


def _is_secure(console: Console) -> bool:
    return urlsplit(console.public_url).scheme == "https"
