"""What the pages ask for: the service, a session of its database, and who looks."""

import secrets
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Form, Request

from heliograph import HeliographError
from heliograph.database import Session
from heliograph.web import service_of
from services.console.repositories.sign_in import SignedIn, SignInRepository
from services.console.service import Console

log = structlog.stdlib.get_logger("console")


class NotSignedIn(HeliographError):
    """Nobody is signed in, or no longer: the browser is led to where one signs in."""


class NotAllowed(HeliographError):
    """Who is signed in may not do this, or the form is not one of ours; says which."""


def console_of(request: Request) -> Console:
    """The console whose page is asked for."""
    return service_of(request, Console)


async def _transaction(request: Request) -> AsyncIterator[Session]:
    async with console_of(request).database.transaction() as session:
        yield session


async def _reading(request: Request) -> AsyncIterator[Session]:
    async with console_of(request).database.reading() as session:
        yield session


TheConsole = Annotated[Console, Depends(console_of)]
Transaction = Annotated[Session, Depends(_transaction, scope="function")]
Reading = Annotated[Session, Depends(_reading, scope="function")]


def cookie_name(console: Console) -> str:
    """Of the session: browsers keep cookies by host, and several consoles may share one."""
    parts = urlsplit(console.public_url)
    return f"heliograph-console-{parts.port or (443 if parts.scheme == 'https' else 80)}"


async def signed_in(request: Request, console: TheConsole) -> SignedIn:
    """Who looks; raise `NotSignedIn` if nobody is."""
    secret = request.cookies.get(cookie_name(console))
    if secret is not None:
        async with console.database.reading() as session:
            found = await SignInRepository(session).signed_in(secret)
        if found is not None:
            return found
    raise NotSignedIn("nobody is signed in")


Viewer = Annotated[SignedIn, Depends(signed_in)]
"""Who looks at a page; without a session the browser is led to `/sign-in`."""


async def _acting(
    request: Request, console: TheConsole, viewer: Viewer, csrf: Annotated[str, Form()] = ""
) -> SignedIn:
    check_origin(request, console)
    if not secrets.compare_digest(csrf.encode(), viewer.csrf.encode()):
        raise NotAllowed("The form is from another session: load its page again.")
    if not viewer.acts:
        raise NotAllowed("You may look, and not act: that needs the scope console:admin.")
    return viewer


Actor = Annotated[SignedIn, Depends(_acting)]
"""Who acts by a form of ours: has the scope `console:admin` and sends the session's CSRF token."""


def check_origin(request: Request, console: Console) -> None:
    """Raise `NotAllowed` if a browser says that another site's page sent the form."""
    origin = request.headers.get("origin")
    ours = urlsplit(console.public_url)
    host = request.headers.get("host", "")
    if origin is not None and origin not in (
        f"{ours.scheme}://{ours.netloc}",
        f"{request.url.scheme}://{host}",
    ):
        raise NotAllowed("The form comes from another site.")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("The form comes from another site.")


def log_act(viewer: SignedIn, act: str, **what: object) -> None:
    """Log who did what."""
    log.info(act, person=viewer.person, **what)
