"""Links: which of a snapshot's URLs an email may hold, and where a product's link leads."""

import re
from urllib.parse import quote

import contracts
from services.notifier.emails.text import one_line

LONGEST_LINK = 2_000
"""Bytes; some mail programs and browsers cut what is longer."""

_WEB = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)


def web_link(url: str) -> str | None:
    """The URL as one word; None if it is none of http(s), or so long that it would be cut."""
    link = one_line(url).replace(" ", "%20")
    if not _WEB.match(link) or len(link.encode()) > LONGEST_LINK:
        return None
    return link


def product_link(template: str, product: contracts.Product) -> str | None:
    """The template with the product's id and SKU filled in; without one the product's own URL."""
    if not template:
        return web_link(product.url)
    # The SKU last: it may hold what looks like a field, but percent-encoded.
    link = template.replace("{id}", str(product.id))
    return web_link(link.replace("{sku}", quote(product.sku, safe="", errors="replace")))
