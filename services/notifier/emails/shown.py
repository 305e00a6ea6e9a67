"""What an email shows of a product."""

from dataclasses import dataclass
from typing import NamedTuple

import contracts
from services.notifier.emails.facts import Item
from services.notifier.emails.links import product_link, web_link
from services.notifier.emails.prices import minor_price, percentage, price
from services.notifier.emails.text import one_line, paragraphs
from services.notifier.models import Topic

SUMMARY_LENGTH = 400
"""Characters of a description."""


class ShownImage(NamedTuple):
    """Width and height in pixels, 0 if they are not known; `alt` in words."""

    url: str
    width: int
    height: int
    alt: str

    def width_within(self, width: int, height: int) -> int:
        """So wide, in pixels, it fits into the box without being enlarged."""
        widest = min(self.width or width, width)
        if self.height and self.width:
            widest = min(widest, self.width * height // self.height)
        return max(widest, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A product in words and links that are safe to show, whatever its snapshot says.

    Prices are None where the email says nothing of them, `old_price` and `percentage` unless the
    price fell, `url` and `picture` where there is none that may be followed.
    """

    topic: Topic
    name: str
    url: str | None
    picture: ShownImage | None
    description: str
    """As the snapshot has it."""
    price: str | None
    old_price: str | None
    percentage: str | None

    @property
    def paragraphs(self) -> list[str]:
        """The first `SUMMARY_LENGTH` characters of the description."""
        return paragraphs(self.description, SUMMARY_LENGTH)


def shown(item: Item, product: contracts.Product, link: str) -> Shown:
    """`link` is the template of links to products, see `product_link`."""
    old_price, fell = _before(item)
    return Shown(
        topic=item.topic,
        name=one_line(product.name),
        url=product_link(link, product),
        picture=_picture(product.images[0], product.name) if product.images else None,
        description=product.description,
        price=_price(item, product),
        old_price=old_price,
        percentage=fell,
    )


def _before(item: Item) -> tuple[str, str] | tuple[None, None]:
    """The price before and by how much it fell; nothing of either unless it did."""
    old, new = item.old_minor, item.new_minor
    if old is None or new is None or old <= new:
        return None, None
    return minor_price(old, item.currency), percentage(old, new)


def _price(item: Item, product: contracts.Product) -> str | None:
    if item.new_minor is not None:
        return minor_price(item.new_minor, item.currency)
    if item.currency == product.currency:
        # ISO 4217 does not list the currency, or not yet: the snapshot knows the decimals.
        return price(product.price, one_line(product.currency))
    return None


def _picture(image: contracts.Picture, name: str) -> ShownImage | None:
    """The thumbnail where there is one: every file is served beside the others, by its key."""
    alt = one_line(image.alt) or one_line(name)
    base = image.url.removesuffix(f"/{image.key}")
    for variant in image.variants:
        if variant.name == "thumbnail" and base != image.url:
            return _image(f"{base}/{variant.key}", variant.width, variant.height, alt)
    return _image(image.url, image.width, image.height, alt)


def _image(url: str, width: int, height: int, alt: str) -> ShownImage | None:
    link = web_link(url)
    return None if link is None else ShownImage(link, width, height, alt)
