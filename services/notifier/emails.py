"""The emails about products: what they say and how they look."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email import policy
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.email_text import fitted, one_line, paragraphs
from services.notifier.mail_errors import MailRefused
from shared import contracts

SUBJECT_LENGTH = 150
SUMMARY_LENGTH = 400
# Pixels; what the layout leaves of its 600 after the padding.
IMAGE_WIDTH = 536


class _VerbatimHeader(UnstructuredHeader, BaseHeader):
    """A header that is never folded nor encoded: readers take a URL in it to the letter."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _SubjectHeader(UnstructuredHeader, BaseHeader):
    """A subject that is read as it was written.

    Python 3.11's own folding loses the space between two encoded words (gh-92081).
    """

    def fold(self, *, policy: Policy) -> str:
        charset = "us-ascii" if self.isascii() else "utf-8"
        encoded = Header(str(self), charset, header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {encoded}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("subject", _SubjectHeader)
_HEADERS.map_to_type("list-unsubscribe", _VerbatimHeader)
_POLICY = policy.default.clone(header_factory=_HEADERS)


@dataclass(frozen=True, kw_only=True)
class ProductEmail:
    """What every email about a product is made from.

    `mail_from` is a mailbox (`Heliograph <news@example.org>`), `recipient` a plain address.
    `message_id` (`<unique@domain>`) and `date` name this email: whoever sends it again passes
    the same ones, so that mail programs know the second copy. `unsubscribe_url` answers GET
    with a page and POST at once (RFC 8058).
    """

    product: contracts.Product
    mail_from: str
    recipient: str
    message_id: str
    date: datetime
    unsubscribe_url: str

    template: ClassVar[str]

    @property
    def subject(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class NewProductEmail(ProductEmail):
    """Tells a subscriber of a new product."""

    template: ClassVar[str] = "new_product"

    @property
    def subject(self) -> str:
        return fitted("New: ", one_line(self.product.name), "", SUBJECT_LENGTH)


@dataclass(frozen=True, kw_only=True)
class PriceDropEmail(ProductEmail):
    """Tells a subscriber of a lower price; both prices are in the product's currency."""

    old_price: Decimal
    new_price: Decimal

    template: ClassVar[str] = "price_drop"

    @property
    def subject(self) -> str:
        currency = one_line(self.product.currency)
        new, old = price(self.new_price, currency), price(self.old_price, currency)
        name = one_line(self.product.name)
        return fitted("Price drop: ", name, f" now {new} (was {old})", SUBJECT_LENGTH)


class Picture(NamedTuple):
    """What an email shows of an image; `width` in pixels, `alt` in words."""

    url: str
    width: int
    alt: str


def render(email: ProductEmail) -> EmailMessage:
    """The email as a message: headers, a text part and an HTML part that say the same.

    Nothing that a product's author writes can add a header, a tag or a line to the subject.
    Raises MailRefused if an address, the Message-ID or the unsubscribe URL cannot stand in a
    header.
    """
    message = EmailMessage(policy=_POLICY)
    try:
        for name, value in _headers(email).items():
            message[name] = value
    except ValueError as error:
        raise MailRefused(str(error)) from error
    context = _context(email)
    # Quoted-printable keeps lines short and seven bits wide, so no server alters them.
    text = _TEMPLATES.get_template(f"{email.template}.txt.j2").render(context)
    message.set_content(text, cte="quoted-printable")
    html = _TEMPLATES.get_template(f"{email.template}.html.j2").render(context)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def _headers(email: ProductEmail) -> dict[str, str]:
    url = email.unsubscribe_url
    if not (url.isascii() and url.isprintable()) or " " in url or ">" in url:
        raise ValueError("the unsubscribe URL is not a URL")
    return {
        "From": email.mail_from,
        "To": email.recipient,
        "Subject": email.subject,
        "Date": format_datetime(email.date),
        "Message-ID": email.message_id,
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }


def price(amount: Decimal, currency: str) -> str:
    """The amount as people read it: `1,299.00 EUR`."""
    return f"{amount:,f} {currency}"


def _context(email: ProductEmail) -> dict[str, Any]:
    product = email.product
    return {
        "email": email,
        "subject": email.subject,
        "name": one_line(product.name),
        "url": one_line(product.url),
        "currency": one_line(product.currency),
        "paragraphs": paragraphs(product.description, SUMMARY_LENGTH),
        "picture": _picture(product.images[0], product.name) if product.images else None,
    }


def _picture(image: contracts.Picture, name: str) -> Picture:
    """The thumbnail where there is one: every file is served beside the others, by its key."""
    alt = one_line(image.alt) or one_line(name)
    base = image.url.removesuffix(image.key)
    for variant in image.variants:
        if variant.name == "thumbnail" and base != image.url:
            return Picture(base + variant.key, min(variant.width, IMAGE_WIDTH), alt)
    return Picture(image.url, min(image.width, IMAGE_WIDTH), alt)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["price"] = price
