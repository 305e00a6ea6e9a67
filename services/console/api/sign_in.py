"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from heliograph.tokens import InvalidToken
from heliograph.web import GuardedRoute
from services.console.api.dependencies import (
    TheConsole,
    Transaction,
    Viewer,
    check_origin,
    cookie_name,
)
from services.console.api.pages import page, see_other
from services.console.repositories.sign_in import SignInRepository
from services.console.service import Console

SCOPES = frozenset({"console:read", "console:admin"})

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page() -> Response:
    return page("sign_in", None, said=None)


@router.get("/sign-in/{token}")
async def follow_link(console: TheConsole, session: Transaction, token: str) -> Response:
    repository = SignInRepository(session)
    found = await repository.follow_link(token)
    if found is None:
        return page("sign_in", None, status=403, said="This link was used before, or has expired.")
    return _with_cookie(console, await repository.begin(*found))


@router.post("/sign-in")
async def sign_in(
    request: Request, console: TheConsole, session: Transaction, token: Annotated[str, Form()] = ""
) -> Response:
    check_origin(request, console)
    try:
        caller = console.tokens.verify(token.strip())
    except InvalidToken as error:
        return page("sign_in", None, status=403, said=str(error))
    scopes = caller.scopes & SCOPES
    if not scopes:
        said = "The token lacks the scope console:read, and console:admin too."
        return page("sign_in", None, status=403, said=said)
    return _with_cookie(console, await SignInRepository(session).begin(caller.subject, scopes))


@router.post("/sign-out")
async def sign_out(
    request: Request, console: TheConsole, session: Transaction, viewer: Viewer
) -> Response:
    check_origin(request, console)
    name = cookie_name(console)
    await SignInRepository(session).end(request.cookies[name])
    response = see_other("/sign-in")
    response.delete_cookie(name)
    return response


def _with_cookie(console: Console, secret: str) -> Response:
    response = see_other("/")
    response.set_cookie(
        cookie_name(console),
        secret,
        httponly=True,
        samesite="lax",
        secure=console.public_url.startswith("https:"),
    )
    return response
