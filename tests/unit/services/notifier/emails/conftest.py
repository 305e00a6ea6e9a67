"""Facts, letters and the eyes of a mail program, for the tests of emails."""

from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import contracts
from services.notifier.emails.composer import Composer
from services.notifier.emails.facts import Facts, Item
from services.notifier.emails.letter import Addressee, Letter
from services.notifier.models import Topic

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
MAIL_FROM = "Bücher & Stühle <news@shop.example>"
PUBLIC_URL = "https://notifier.example"
TOKEN = "t" * 32
SECRET = "s" * 32
IMAGE = {
    "id": UUID(int=2),
    "key": "products/chair.png",
    "url": "https://shop.example/v1/images/products/chair.png",
    "content_type": "image/png",
    "width": 1600,
    "height": 1200,
    "bytes": 90_000,
}
THUMBNAIL = {"name": "thumbnail", "key": "products/chair-small.png", "width": 320, "height": 240}

composer = Composer(MAIL_FROM, PUBLIC_URL)


def a_product(number: int = 1, **fields: Any) -> contracts.Product:
    """A product with these fields; its words need not be those of the contract."""
    words: dict[str, Any] = {
        name: fields.pop(name) for name in ("name", "description", "url", "sku") if name in fields
    }
    product = contracts.Product.model_validate(
        {
            "id": UUID(int=number),
            "url": f"https://shop.example/v1/products/{number}",
            "sku": f"CHAIR-{number}",
            "name": "Aeron Chair",
            "description": "Sits well.",
            "price": "14.99",
            "currency": "EUR",
            "version": 2,
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )
    return product.model_copy(update=words)


def an_item(number: int = 1, topic: Topic = "new_product", **fields: Any) -> Item:
    known = Item(
        topic=topic, product_id=UUID(int=number), sequence="1", currency="EUR", new_minor=1499
    )
    return known._replace(**fields)


def a_drop(number: int = 1, old_minor: int | None = 121_999, **fields: Any) -> Item:
    return an_item(number, "price_drop", old_minor=old_minor, **fields)


def a_letter(facts: Facts, *products: contracts.Product, by: Composer = composer) -> Letter:
    """The letter of these facts; products that are not given are plausible."""
    known = {item.product_id: a_product(item.product_id.int) for item in facts.items}
    return by.letter(facts, known | {each.id: each for each in products})


def new_product(**fields: Any) -> Letter:
    return a_letter(Facts(kind="new_product", items=(an_item(),)), a_product(**fields))


def price_drop(**fields: Any) -> Letter:
    return a_letter(Facts(kind="price_drop", items=(a_drop(),)), a_product(**fields))


def confirmation(**fields: Any) -> Letter:
    return a_letter(Facts(kind="confirmation", **{"topic": "new_product"} | fields))


def ada(**fields: Any) -> Addressee:
    known = Addressee(
        recipient="ada@example.org", message_id="<018f.new@shop.example>", date=NOW, token=TOKEN
    )
    return replace(known, **fields)


def parsed(content: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def received(letter: Letter, **fields: Any) -> EmailMessage:
    return parsed(letter.to(ada(**fields)).content)


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    content: str = body.get_content()
    return content.replace("\r\n", "\n")


class Page(HTMLParser):
    """The tags and the text of an HTML part, as a mail program sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.shown = ""
        """Without the title, the styles and the line that stands in the list of emails."""
        self._hidden_in: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"title", "style"} or "display:none" in (dict(attrs).get("style") or ""):
            self._hidden_in = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden_in:
            self._hidden_in = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._hidden_in is None:
            self.shown += data

    def links(self) -> set[str | None]:
        return {attributes["href"] for tag, attributes in self.tags if tag == "a"}

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]
