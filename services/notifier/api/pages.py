"""The pages that people see: how they are made and answered.

They need no script, and load nothing. Their texts are where gettext reaches them; there are no
translations yet.
"""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifier.emails.prices import minor_price

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
SUBSCRIPTION_TOKEN, REQUEST_TOKEN = 32, 43
"""Characters of the token of a subscription, and of a request that is to be confirmed."""
_FOLDER = Path(__file__).parent.parent / "templates" / "pages"
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    # Whoever knows the address of the page knows the secret: its length shall tell nothing.
    "Cache-Control": "no-store, no-transform",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Links lead away from an address that is a secret.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {
        "description": "A page that says that the link is not known.",
        "content": {"text/html": {}},
    }
}
"""For `responses` of a route that answers `unknown`."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=["jinja2.ext.i18n"],
)
_TEMPLATES.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # of the extension
_TEMPLATES.globals["style"] = _STYLE


def page(template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Answer with `<template>.html.j2` of `templates/pages`."""
    content = _TEMPLATES.get_template(f"{template}.html.j2").render(context)
    return HTMLResponse(content, status, HEADERS)


def unknown() -> HTMLResponse:
    """Answer that the link is not one that anybody was sent, with status 404."""
    return page("page", 404, state="unknown")


def well_formed(token: str, length: int = SUBSCRIPTION_TOKEN) -> bool:
    """Whether it can be the token of a link: PostgreSQL cannot be asked about some characters."""
    return len(token) == length and _TOKEN.fullmatch(token) is not None


def target_text(minor: int | None, currency: str | None) -> str | None:
    """The price to be reached as people read it: `1,299.00 EUR`; None if there is none."""
    if minor is None or currency is None:
        return None
    return minor_price(minor, currency)
