"""Pages: how they are made and answered. Nothing in them is loaded from elsewhere."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.console.api.static import static
from services.console.masking import masked_address
from services.console.repositories.sign_in import SignedIn
from services.console.shelves.text import seen_by
from services.console.visible import visible

# In a browser `//host`, `/\\host`, and either with tabs or line breaks within, lead elsewhere.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")

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


def _moment(value: datetime | str) -> datetime:
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read.astimezone(UTC)


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {"static": static, "navigation": NAVIGATION}
TEMPLATES.filters |= {
    "moment": _moment,
    "masked_address": masked_address,
    "visible": visible,
    "seen_by": seen_by,
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


def local_path(given: str) -> str:
    """A path that somebody gave, with its query; `/` for what may lead to another site."""
    return given if _LOCAL.fullmatch(given) else "/"


def see_other(path: str) -> RedirectResponse:
    """Lead the browser to another page, with a GET."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
