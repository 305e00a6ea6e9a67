from datetime import UTC, datetime
from decimal import Decimal
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.notifier.email_text import fitted, one_line
from services.notifier.emails import NewProductEmail, PriceDropEmail, ProductEmail, render
from services.notifier.mail_envelope import Envelope
from services.notifier.mail_errors import MailRefused
from shared import contracts

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]
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


def a_product(**fields: Any) -> contracts.Product:
    return contracts.Product.model_validate(
        {
            "id": UUID(int=1),
            "url": "https://shop.example/v1/products/1",
            "sku": "CHAIR-1",
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


def new_product(**fields: Any) -> NewProductEmail:
    return NewProductEmail(**an_email(**fields))


def price_drop(**fields: Any) -> PriceDropEmail:
    return PriceDropEmail(
        old_price=Decimal("1219.99"), new_price=Decimal("14.99"), **an_email(**fields)
    )


def an_email(**fields: Any) -> dict[str, Any]:
    return {
        "mail_from": "Bücher & Stühle <news@shop.example>",
        "recipient": "ada@example.org",
        "message_id": "<018f.new@shop.example>",
        "date": NOW,
        "unsubscribe_url": "https://shop.example/unsubscribe/" + "t" * 120,
        "product": a_product(**fields),
    }


def received(email: ProductEmail) -> EmailMessage:
    content = Envelope.of(render(email), email.recipient).content
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


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
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> set[str | None]:
        return {attributes["href"] for tag, attributes in self.tags if tag == "a"}

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]


def test_a_new_product_is_shown_with_its_link_price_and_way_out() -> None:
    message = received(new_product())
    assert message["Subject"] == "New: Aeron Chair"
    page = Page(part(message, "html"))
    unsubscribe = "https://shop.example/unsubscribe/" + "t" * 120
    assert page.links() == {"https://shop.example/v1/products/1", unsubscribe}
    for body in (part(message, "plain"), page.text):
        assert "Aeron Chair" in body
        assert "14.99 EUR" in body
        assert "Sits well." in body
        assert "ada@example.org" in body
    assert "https://shop.example/v1/products/1\n" in part(message, "plain")
    assert f"Unsubscribe: {unsubscribe}\n" in part(message, "plain")


def test_a_price_drop_shows_the_old_and_the_new_price() -> None:
    message = received(price_drop())
    assert message["Subject"] == "Price drop: Aeron Chair now 14.99 EUR (was 1,219.99 EUR)"
    for body in (part(message, "plain"), Page(part(message, "html")).text):
        assert "14.99 EUR" in body
        assert "1,219.99 EUR" in body


def test_the_headers_are_exactly_these() -> None:
    message = received(new_product())
    assert message.keys() == HEADERS
    assert message["From"] == "Bücher & Stühle <news@shop.example>"
    assert message["To"] == "ada@example.org"
    assert message["Message-ID"] == "<018f.new@shop.example>"
    assert message["Date"].datetime == NOW
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"


def test_the_unsubscribe_header_stands_on_the_wire_to_the_letter() -> None:
    content = Envelope.of(render(new_product()), "ada@example.org").content
    url = b"https://shop.example/unsubscribe/" + b"t" * 120
    assert b"\r\nList-Unsubscribe: <" + url + b">\r\n" in content


def test_an_image_is_shown_by_its_thumbnail() -> None:
    html = part(received(new_product(images=[{**IMAGE, "variants": [THUMBNAIL]}])), "html")
    [image] = Page(html).images()
    assert image["src"] == "https://shop.example/v1/images/products/chair-small.png"
    assert image["alt"] == "Aeron Chair"
    assert image["width"] == "320"


def test_an_image_tells_what_it_shows() -> None:
    html = part(received(new_product(images=[{**IMAGE, "alt": 'A "chair"\nin black'}])), "html")
    assert [image["alt"] for image in Page(html).images()] == ['A "chair" in black']


def test_an_image_without_a_thumbnail_is_shown_at_the_width_of_the_email() -> None:
    [image] = Page(part(received(new_product(images=[IMAGE])), "html")).images()
    assert image["src"] == IMAGE["url"]
    assert image["width"] == "536"


def test_a_product_without_an_image_shows_none() -> None:
    assert not Page(part(received(new_product()), "html")).images()


def test_markup_in_a_name_or_description_is_text() -> None:
    evil = '"><script>alert(1)</script><img src=x>'
    message = received(price_drop(name=evil, description=evil, images=[IMAGE]))
    page = Page(part(message, "html"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert [image["alt"] for image in page.images()] == [evil]
    assert page.text.count(evil) == 3, "the title, the heading and the description"


@pytest.mark.parametrize(
    "name",
    [
        "Chair\r\nBcc: eve@example.org",
        "=?utf-8?q?=0D=0ABcc:_eve@example.org?=",
        "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLm9yZw==?=",
        "Chair\u2028Bcc: eve@example.org\x85\x00",
        "= ?utf-8?q?x?= =?utf-8?q?=0A?=",
    ],
)
def test_a_name_cannot_add_a_header(name: str) -> None:
    message = received(new_product(name=name))
    assert message.keys() == HEADERS
    assert message["Subject"] == "New: " + one_line(name)


@example("0" + "\U00010000" * 8 + " \xa1 \xa1", "")
@given(st.text(min_size=1, max_size=300), st.text(max_size=600))
def test_any_name_arrives_in_one_subject_and_both_parts(name: str, description: str) -> None:
    message = received(price_drop(name=name, description=description))
    assert message.keys() == HEADERS
    tail = " now 14.99 EUR (was 1,219.99 EUR)"
    assert message["Subject"] == fitted("Price drop: ", one_line(name), tail, 150)
    assert one_line(name) in part(message, "plain")
    assert one_line(name) in Page(part(message, "html")).text


@pytest.mark.parametrize(
    "field",
    [
        {"mail_from": "news@shop.example\r\nBcc: eve@example.org"},
        {"recipient": "ada@example.org\nBcc: eve@example.org"},
        {"message_id": "<1@shop.example>\r\nBcc: eve@example.org"},
        {"unsubscribe_url": "https://shop.example/>, <mailto:eve@example.org"},
    ],
)
def test_a_header_value_with_a_break_is_refused(field: dict[str, str]) -> None:
    with pytest.raises(MailRefused):
        render(NewProductEmail(**{**an_email(), **field}))


def test_rendering_again_gives_the_same_email_but_for_the_boundary() -> None:
    first, second = received(price_drop()), received(price_drop())
    assert [first[name] for name in HEADERS[:-1]] == [second[name] for name in HEADERS[:-1]]
    assert part(first, "html") == part(second, "html")
    assert part(first, "plain") == part(second, "plain")
