"""The emails about products: what they say and how they look."""

from dataclasses import dataclass
from decimal import Decimal
from email import policy
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import contracts
from services.notifier.emails.letter import RECIPIENT, UNSUBSCRIBE, Letter
from services.notifier.emails.text import fitted, one_line, paragraphs
from services.notifier.mail.errors import MailRefused

SUBJECT_LENGTH = 150
SUMMARY_LENGTH = 400
# Pixels; what the layout leaves of its 600 after the padding.
IMAGE_WIDTH = 536


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
_POLICY = policy.default.clone(header_factory=_HEADERS)


@dataclass(frozen=True, kw_only=True)
class ProductEmail:
    """What every email about a product is made from.

    `mail_from` is a mailbox (`Heliograph <news@example.org>`).
    """

    product: contracts.Product
    mail_from: str

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


class ShownImage(NamedTuple):
    """What an email shows of an image; `width` in pixels, `alt` in words."""

    url: str
    width: int
    alt: str


def render(email: ProductEmail) -> Letter:
    """Write the email, but for what each recipient has for itself.

    Nothing that a product's author writes can add a header, a tag or a line to the subject.
    Raises MailRefused if `mail_from` cannot stand in a header.
    """
    head = EmailMessage(policy=_POLICY)
    try:
        head["From"] = email.mail_from
        head["Subject"] = email.subject
    except ValueError as error:
        raise MailRefused(str(error)) from error
    context = _context(email)
    text = _TEMPLATES.get_template(f"{email.template}.txt.j2").render(context)
    html = _TEMPLATES.get_template(f"{email.template}.html.j2").render(context)
    return Letter(head, text, html)


def price(amount: Decimal, currency: str) -> str:
    """The amount as people read it: `1,299.00 EUR`."""
    return f"{amount:,f} {currency}"


def _context(email: ProductEmail) -> dict[str, Any]:
    product = email.product
    return {
        "email": email,
        "recipient": RECIPIENT,
        "unsubscribe_url": UNSUBSCRIBE,
        "subject": email.subject,
        "name": one_line(product.name),
        "url": one_line(product.url),
        "currency": one_line(product.currency),
        "paragraphs": paragraphs(product.description, SUMMARY_LENGTH),
        "picture": _picture(product.images[0], product.name) if product.images else None,
    }


def _picture(image: contracts.Picture, name: str) -> ShownImage:
    """The thumbnail where there is one: every file is served beside the others, by its key."""
    alt = one_line(image.alt) or one_line(name)
    base = image.url.removesuffix(f"/{image.key}")
    for variant in image.variants:
        if variant.name == "thumbnail" and base != image.url:
            url = one_line(f"{base}/{variant.key}")
            return ShownImage(url, min(variant.width, IMAGE_WIDTH), alt)
    return ShownImage(one_line(image.url), min(image.width, IMAGE_WIDTH), alt)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["price"] = price
