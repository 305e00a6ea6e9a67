"""Pages: how they are made and answered. Nothing in them is loaded from elsewhere."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from services.console.api.dependencies import NotAllowed, NotSignedIn
from services.console.masking import masked_address, masked_viewer
from services.console.repositories.sign_in import SignedIn

_ROOM = Path(__file__).parent.parent
_STATIC = _ROOM / "static"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}

NAVIGATION = (
    ("/", "Events"),
    ("/parked", "Parked"),
    ("/emails", "Emails"),
    ("/products", "Products"),
    ("/state", "State"),
)
"""Paths, and what their pages are called."""


def _version(name: str) -> str:
    return sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


def static(name: str) -> str:
    """The path of a file of `static/`, which changes with its content."""
    return f"/static/{name}?{_version(name)}"


def _moment(value: datetime | str) -> datetime:
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read.astimezone(UTC)


TEMPLATES = Environment(
    loader=FileSystemLoader(_ROOM / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {"static": static, "navigation": NAVIGATION}
TEMPLATES.filters |= {
    "moment": _moment,
    "masked_address": masked_address,
    "masked_viewer": masked_viewer,
}


def page(
    template: str, viewer: SignedIn | None, *, status: int = 200, path: str = "", **context: Any
) -> HTMLResponse:
    """Answer with `<template>.html.j2`; `path` is which of the navigation's pages it belongs to.

    A template has `viewer` (None where nobody is signed in) and `here`, and masks what
    `viewer.acts` does not let them see.
    """
    content = TEMPLATES.get_template(f"{template}.html.j2").render(
        viewer=viewer, here=path, **context
    )
    return HTMLResponse(content, status, HEADERS)


def see_other(path: str) -> RedirectResponse:
    """Lead the browser to another page, with a GET."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def add_pages(app: FastAPI) -> None:
    """Serve the files of the pages, and answer what goes wrong on pages with pages."""
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.add_exception_handler(NotSignedIn, _lead_to_sign_in)
    app.add_exception_handler(NotAllowed, _not_allowed)


async def _lead_to_sign_in(request: Request, error: Exception) -> Response:
    return see_other("/sign-in")


async def _not_allowed(request: Request, error: Exception) -> Response:
    return page("wrong", None, status=403, title="Not allowed", said=str(error))
