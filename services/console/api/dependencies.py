"""What the pages ask for: the service, a session of its database, and who looks."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Form, Request

from heliograph.database import Session
from heliograph.http import ProblemError
from heliograph.web import service_of
from services.console.repositories.samples import SampleRepository
from services.console.repositories.sign_in import SignedIn, SignInRepository
from services.console.service import Console

log = structlog.stdlib.get_logger("console")

NOT_BY_ADDRESS = "To search by address you need the scope console:admin."

_PORTS = {"http": 80, "https": 443}


class NotSignedIn(ProblemError):
    """Nobody is signed in, or no longer: the browser is shown where one signs in."""

    def __init__(self) -> None:
        super().__init__(
            "unauthenticated",
            "Nobody is signed in, or no longer.",
            headers={"WWW-Authenticate": "Cookie"},
        )


class NotAllowed(ProblemError):
    """Who is signed in may not do this, or the form is not one of ours; says which."""

    def __init__(self, said: str) -> None:
        super().__init__("forbidden", said)


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
    """Of the session: browsers keep cookies by host, and several consoles may share one.

    With `__Host-` before it (RFC 6265bis 4.1.3.2) no other host of the domain can set it.
    """
    scheme, _, port = _origin(console.public_url)
    return f"{'__Host-' if scheme == 'https' else ''}heliograph-console-{port}"


async def signed_in(request: Request, console: TheConsole) -> SignedIn:
    """Who looks; raise `NotSignedIn` if nobody is."""
    secret = request.cookies.get(cookie_name(console))
    if secret is not None:
        async with console.database.reading() as session:
            found = await SignInRepository(session).signed_in(secret)
            parked = await SampleRepository(session).parked()
        if found is not None:
            found = replace(found, parked=parked)
            # For the page of an error, which shows who looks.
            request.state.viewer = found
            return found
    raise NotSignedIn


Viewer = Annotated[SignedIn, Depends(signed_in)]
"""Who looks at a page; without a session the browser is led to `/sign-in`."""


async def _by_our_form(
    request: Request, console: TheConsole, viewer: Viewer, csrf: Annotated[str, Form()] = ""
) -> SignedIn:
    check_origin(request, console)
    if not secrets.compare_digest(csrf.encode("utf-8", "replace"), viewer.csrf.encode()):
        raise NotAllowed("The form is from another session: load its page again. Nothing was done.")
    return viewer


Sender = Annotated[SignedIn, Depends(_by_our_form)]
"""Who sends a form of ours: it has the CSRF token of their session."""


async def _acting(viewer: Sender) -> SignedIn:
    if not viewer.acts:
        raise NotAllowed(
            "You may look, and not act: that needs the scope console:admin. Nothing was done."
        )
    return viewer


Actor = Annotated[SignedIn, Depends(_acting)]
"""Who acts by a form of ours: has the scope `console:admin` and sends the session's CSRF token."""


def check_origin(request: Request, console: Console) -> None:
    """Raise `NotAllowed` if a browser says that another site's page sent the form.

    Ours is where `public_url` says, behind a proxy too, or where the request says it was sent to.
    """
    origin = request.headers.get("origin")
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if origin is not None and _origin(origin) not in (_origin(console.public_url), _origin(here)):
        raise NotAllowed(
            f"The form comes from another site than {console.public_url}, which "
            "CONSOLE_PUBLIC_URL names. Nothing was done."
        )
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("The form comes from another site. Nothing was done.")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port (RFC 6454, 4)."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        # A host or a port that is none: like no other.
        return "", None, None


def log_act(viewer: SignedIn, act: str, **what: object) -> None:
    """Log who did what."""
    log.info(act, person=viewer.person, **what)
