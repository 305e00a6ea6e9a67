from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import contracts
from services.notifier.emails.letter import RECIPIENT, UNSUBSCRIBE, Addressee
from services.notifier.emails.products import NewProductEmail, PriceDropEmail, ProductEmail, render
from services.notifier.emails.text import fitted, one_line
from services.notifier.mail.addresses import valid_address
from services.notifier.mail.errors import MailRefused

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
MAIL_FROM = "Bücher & Stühle <news@shop.example>"
HEADERS = [
    "From",
    "Subject",
    "To",
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
    """A product with these fields; its words need not be those of the contract."""
    words: dict[str, Any] = {
        name: fields.pop(name) for name in ("name", "description") if name in fields
    }
    product = contracts.Product.model_validate(
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
    return product.model_copy(update=words)


def new_product(**fields: Any) -> NewProductEmail:
    return NewProductEmail(product=a_product(**fields), mail_from=MAIL_FROM)


def price_drop(**fields: Any) -> PriceDropEmail:
    return PriceDropEmail(
        product=a_product(**fields),
        mail_from=MAIL_FROM,
        old_price=Decimal("1219.99"),
        new_price=Decimal("14.99"),
    )


def ada(**fields: Any) -> Addressee:
    known = Addressee(
        recipient="ada@example.org",
        message_id="<018f.new@shop.example>",
        date=NOW,
        unsubscribe_url="https://shop.example/unsubscribe/" + "t" * 120,
    )
    return replace(known, **fields)


def received(email: ProductEmail, **fields: Any) -> EmailMessage:
    content = render(email).to(ada(**fields)).content
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
    content = render(new_product()).to(ada()).content
    url = b"https://shop.example/unsubscribe/" + b"t" * 120
    assert b"\r\nList-Unsubscribe: <" + url + b">\r\n" in content


def test_an_image_is_shown_by_its_thumbnail() -> None:
    html = part(received(new_product(images=[{**IMAGE, "variants": [THUMBNAIL]}])), "html")
    [image] = Page(html).images()
    assert image["src"] == "https://shop.example/v1/images/products/chair-small.png"
    assert image["alt"] == "Aeron Chair"
    assert image["width"] == "320"


@pytest.mark.parametrize(
    ("key", "thumbnail"),
    [
        ("https://shop.example/x.png", "javascript:alert(1)"),
        ("//shop.example/x.png", "//javascript:alert(1)"),
        ("shop.example/x.png", "javascript:alert(1)"),
    ],
)
def test_no_key_makes_another_kind_of_link(key: str, thumbnail: str) -> None:
    image = IMAGE | {"url": "https://shop.example/x.png", "key": key}
    image["variants"] = [THUMBNAIL | {"key": thumbnail}]
    [shown] = Page(part(received(new_product(images=[image])), "html")).images()
    assert shown["src"] is not None
    assert shown["src"].startswith("https://")


def test_an_email_about_the_largest_product_is_small() -> None:
    url = "https://shop.example/" + "é" * 4_000
    images = [{**IMAGE, "url": url, "alt": "é" * 300, "variants": [THUMBNAIL]}] * 100
    email = price_drop(
        url=url, name="é" * 200, description="é" * 10_000, images=images, price="9999999999999.99"
    )
    assert len(render(email).to(ada()).content) < 256 * 1024


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
    ("recipient", "written"),
    [
        ("a=?b@example.org", '"a=?b"@example.org'),
        (
            "=?utf-8?q?=0d=0abcc=3a_eve=40x?=@example.org",
            '"=?utf-8?q?=0d=0abcc=3a_eve=40x?="@example.org',
        ),
        ("!#$%&'*+-/=^_`{|}~?@example.org", "!#$%&'*+-/=^_`{|}~?@example.org"),
        ("jürgen@example.org", "jürgen@example.org"),
    ],
)
def test_whoever_may_subscribe_stands_in_the_header_to_the_letter(
    recipient: str, written: str
) -> None:
    envelope = render(new_product()).to(ada(recipient=valid_address(recipient)))
    head = BytesHeaderParser(policy=policy.compat32).parsebytes(envelope.content)
    assert head.keys() == HEADERS
    assert f"\r\nTo: {written}\r\n".encode() in envelope.content
    assert envelope.recipient == recipient


@pytest.mark.parametrize(
    "field",
    [
        {"recipient": "ada@example.org\nBcc: eve@example.org"},
        {"recipient": "ada@example.org, eve@example.org"},
        {"message_id": "<1@shop.example>\r\nBcc: eve@example.org"},
        {"unsubscribe_url": "https://shop.example/>, <mailto:eve@example.org"},
        {"unsubscribe_url": "https://shop.example/\r\nBcc: eve@example.org"},
    ],
)
def test_a_header_value_with_a_break_is_refused(field: dict[str, str]) -> None:
    letter = render(new_product())
    with pytest.raises(MailRefused):
        letter.to(ada(**field))


@pytest.mark.parametrize(
    "mail_from",
    [
        "news@shop.example\r\nBcc: eve@example.org",
        "=?utf-8?q?=0D=0ABcc:_eve@example.org?= <news@shop.example>",
        "news@shop.example, eve@example.org",
        "",
    ],
)
def test_a_sender_that_is_not_one_mailbox_is_refused(mail_from: str) -> None:
    with pytest.raises(MailRefused):
        render(NewProductEmail(product=a_product(), mail_from=mail_from))


def test_rendering_again_gives_the_same_email() -> None:
    first, second = render(price_drop()).to(ada()), render(price_drop()).to(ada())
    assert first == second


def test_each_recipient_has_an_email_of_its_own() -> None:
    letter = render(new_product())
    odd = "o'hara&sons@example.org"
    first = letter.to(ada())
    second = letter.to(
        Addressee(
            recipient=odd,
            message_id="<2@shop.example>",
            date=NOW,
            unsubscribe_url="https://shop.example/?a=1&b=2",
        )
    )
    assert (first.recipient, second.recipient) == ("ada@example.org", odd)
    assert b"ada@example.org" not in second.content
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(second.content)
    assert message["To"] == odd
    assert message["Message-ID"] == "<2@shop.example>"
    assert f"because {odd} is subscribed" in part(message, "plain")
    page = Page(part(message, "html"))
    assert f"because {odd} is subscribed" in page.text
    assert "https://shop.example/?a=1&b=2" in page.links()


def test_no_product_can_say_where_the_address_goes() -> None:
    url = f"https://shop.example/{RECIPIENT}{UNSUBSCRIBE}"
    evil = f"Chair {RECIPIENT}{UNSUBSCRIBE}"
    image = {**IMAGE, "url": url, "key": "another"}
    message = received(new_product(name=evil, description=evil, images=[image], url=url))
    for subtype in ("plain", "html"):
        assert part(message, subtype).count("ada@example.org") == 1
    assert message["Subject"] == "New: Chair"


@given(st.text(max_size=400), st.text(max_size=400))
def test_every_line_of_an_email_is_short_and_seven_bits_wide(name: str, description: str) -> None:
    content = render(new_product(name=name, description=description)).to(ada()).content
    head, _, body = content.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert content.isascii()
