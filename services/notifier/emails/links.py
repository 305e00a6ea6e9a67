"""Links: which of a snapshot's URLs an email may hold, and where a product's link leads."""

import re
from urllib.parse import quote

import contracts
from services.notifier.emails.text import one_line

LONGEST_LINK = 2_000
"""Bytes; some mail programs and browsers cut what is longer."""

_FIELD = re.compile(r"\{(id|sku)\}")
_WEB = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)


def web_link(url: str) -> str | None:
    """The URL as one word; None if it is none of http(s), or so long that it would be cut."""
    link = one_line(url).replace(" ", "%20")
    if not _WEB.match(link) or len(link.encode()) > LONGEST_LINK:
        return None
    return link


def link_template(template: str) -> str:
    """The template of links to products as it is, if `product_link` can fill it in.

    Raises ValueError with what is wrong with it. A field must not stand in the host, where a SKU
    would choose where the link leads.
    """
    for field in re.findall(r"\{([^}]*)", template):
        if field not in {"id", "sku"}:
            raise ValueError(f"has {{{field[:40]}}}, but only {{id}} and {{sku}} can be filled in")
    link = _FIELD.sub("0", template)
    if "{" in link or "}" in link:
        raise ValueError("has a brace that belongs to no {id} or {sku}")
    if len(template) > LONGEST_LINK // 2:
        raise ValueError(f"must have at most {LONGEST_LINK // 2} characters")
    host = _WEB.match(template) and re.split("[/?#]", template, maxsplit=3)[2]
    if template and (not host or "{" in host or link == template or web_link(link) != link):
        raise ValueError("must be http[s]://host/path with {id} or {sku} in its path or query")
    return template


def product_link(template: str, product: contracts.Product) -> str | None:
    """The template with the product's id and SKU filled in; without one the product's own URL."""
    if not template:
        return web_link(product.url)
    words = {"id": str(product.id), "sku": product.sku}
    return web_link(_FIELD.sub(lambda field: _encoded(words[field[1]]), template))


def _encoded(words: str) -> str:
    # A lone surrogate becomes a question mark.
    return quote(words, safe="", errors="replace")
