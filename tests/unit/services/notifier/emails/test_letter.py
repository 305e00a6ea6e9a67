from email import policy
from email.parser import BytesHeaderParser
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.emails.composer import Composer
from services.notifier.emails.facts import Facts
from services.notifier.emails.letter import (
    CONFIRM,
    PREFERENCES,
    RECIPIENT,
    UNSUBSCRIBE,
    Letter,
    message_id,
)
from services.notifier.emails.text import one_line
from services.notifier.mail.addresses import valid_address
from services.notifier.mail.errors import MailRefused
from tests.unit.services.notifier.emails.conftest import (
    IMAGE,
    MAIL_FROM,
    NOW,
    PUBLIC_URL,
    SECRET,
    TOKEN,
    Page,
    a_drop,
    a_letter,
    a_product,
    ada,
    an_item,
    confirmation,
    new_product,
    parsed,
    part,
    price_drop,
    received,
)

HEADERS = [
    "From",
    "Subject",
    "To",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]
OF_LISTS = {"List-Unsubscribe", "List-Unsubscribe-Post", "List-Id"}
ANY_TEXT = st.text(max_size=300)


def test_the_headers_are_exactly_these() -> None:
    message = received(new_product())
    assert message.keys() == HEADERS
    assert message["From"] == "Bücher & Stühle <news@shop.example>"
    assert message["To"] == "ada@example.org"
    assert message["Message-ID"] == "<018f.new@shop.example>"
    assert message["Date"].datetime == NOW
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == "<heliograph.shop.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"


def test_a_confirmation_is_no_mail_of_a_list() -> None:
    message = received(confirmation(), token=None, secret=SECRET)
    assert message.keys() == [name for name in HEADERS if name not in OF_LISTS]


def test_a_message_id_tells_the_event_the_subscription_and_our_domain() -> None:
    event, subscription = UUID(int=1), UUID(int=2)
    expected = f"<{event}.{subscription}@shop.example>"
    assert message_id(event, subscription, "shop.example") == expected


def test_the_unsubscribe_header_stands_on_the_wire_to_the_letter() -> None:
    content = new_product().to(ada()).content
    url = f"{PUBLIC_URL}/unsubscribe/{TOKEN}".encode()
    assert b"\r\nList-Unsubscribe: <" + url + b">\r\n" in content


def test_links_to_unsubscribe_from_a_digest_end_all_that_come_by_digest() -> None:
    url = f"{PUBLIC_URL}/unsubscribe/{TOKEN}?all=digests"
    letter = a_letter(Facts(kind="digest", items=(a_drop(), an_item(2))))
    content = letter.to(ada()).content
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in content
    message = parsed(content)
    assert f"Unsubscribe: {url}\n" in part(message, "plain")
    assert url in Page(part(message, "html")).links()


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_a_letter_made_again_from_what_was_stored_is_the_same_byte_for_byte(
    name: str, description: str, url: str, alt: str
) -> None:
    product = a_product(name=name, description=description, images=[IMAGE])
    picture = product.images[0].model_copy(update={"alt": alt})
    product = product.model_copy(update={"images": (picture,), "url": f"https://x/{url}"})
    for facts in (
        Facts(kind="new_product", items=(an_item(),)),
        Facts(kind="new_product", items=(an_item(), an_item(2)), more=3),
        Facts(kind="price_drop", items=(a_drop(),)),
        Facts(kind="digest", items=(a_drop(), an_item(2)), more=3),
        Facts(kind="confirmation", topic="price_drop", items=(a_drop(new_minor=None),)),
    ):
        letter = a_letter(facts, product)
        for stored in (letter.head, letter.text, letter.html):
            assert "\0" not in stored, "PostgreSQL takes none"
            assert stored.encode().decode() == stored
        again = Letter(
            letter.head,
            letter.text,
            letter.html,
            public_url=letter.public_url,
            domain=letter.domain,
        )
        to = ada(secret=SECRET)
        assert again.to(to) == letter.to(to)
        assert again.preview(to) == letter.preview(to)


def test_writing_again_gives_the_same_email() -> None:
    assert price_drop().to(ada()) == price_drop().to(ada())


def test_a_preview_is_what_the_recipient_reads() -> None:
    letter = price_drop()
    message, preview = received(letter), letter.preview(ada())
    assert preview.subject == message["Subject"]
    assert preview.text == part(message, "plain")
    assert preview.html == part(message, "html")


def test_a_secret_that_is_gone_can_be_previewed_but_not_sent() -> None:
    letter = confirmation()
    settled = ada(token=None, secret=None)
    assert f"{PUBLIC_URL}/confirm/…" in letter.preview(settled).text
    with pytest.raises(MailRefused, match="token of its links"):
        letter.to(settled)
    with pytest.raises(MailRefused, match="token of its links"):
        new_product().to(settled)


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
    envelope = new_product().to(ada(recipient=valid_address(recipient)))
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
        {"token": "1>, <mailto:eve@example.org"},
        {"token": "1\r\nBcc: eve@example.org"},
    ],
)
def test_a_header_value_with_a_break_is_refused(field: dict[str, str]) -> None:
    letter = new_product()
    with pytest.raises(MailRefused):
        letter.to(ada(**field))


@pytest.mark.parametrize(
    "head",
    [
        "From: news@shop.example\r\n",
        "From: news@shop.example\r\nSubject: Hi\r\nBcc: eve@example.org\r\n",
        "From: news@shop.example\r\nSubject: Hi\r\n\r\nAnd more\r\n",
        "From: news@shop.example\r\nSubject: Hällo\r\n",
        "From: news@shop.example, eve@example.org\r\nSubject: Hi\r\n",
    ],
)
def test_a_head_is_from_and_subject_and_no_more(head: str) -> None:
    with pytest.raises(MailRefused):
        Letter(head, "text", "html", public_url=PUBLIC_URL, domain="shop.example")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_what_no_database_can_keep_is_no_letter(text: str) -> None:
    with pytest.raises(MailRefused):
        Letter(new_product().head, text, "html", public_url=PUBLIC_URL, domain="shop.example")


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
    facts = Facts(kind="new_product", items=(an_item(),))
    with pytest.raises(MailRefused):
        a_letter(facts, by=Composer(mail_from, PUBLIC_URL))


def test_each_recipient_has_an_email_of_its_own() -> None:
    letter = a_letter(
        Facts(kind="new_product", items=(an_item(),)),
        by=Composer(MAIL_FROM, "https://shop.example/a&b"),
    )
    odd = "o'hara&sons@example.org"
    first = letter.to(ada())
    second = letter.to(ada(recipient=odd, message_id="<2@shop.example>", token="u" * 32))
    assert (first.recipient, second.recipient) == ("ada@example.org", odd)
    assert b"ada@example.org" not in second.content
    assert TOKEN.encode() not in second.content
    message = parsed(second.content)
    assert message["To"] == odd
    assert message["Message-ID"] == "<2@shop.example>"
    assert f"because {odd} is subscribed" in part(message, "plain")
    page = Page(part(message, "html"))
    assert f"because {odd} is subscribed" in page.text
    for link in ("unsubscribe", "preferences"):
        assert f"https://shop.example/a&b/{link}/{'u' * 32}" in page.links()


def test_no_product_can_say_where_the_recipients_words_go() -> None:
    own = RECIPIENT + UNSUBSCRIBE + PREFERENCES + CONFIRM
    url = f"https://shop.example/{own}"
    evil = f"Chair {own}"
    image = {**IMAGE, "url": f"https://shop.example/{own}", "key": "another", "alt": evil}
    letter = new_product(name=evil, description=evil, images=[image], url=url, sku=own)
    assert not letter.confirms
    message = received(letter)
    for subtype in ("plain", "html"):
        assert part(message, subtype).count("ada@example.org") == 1
        assert part(message, subtype).count(TOKEN) == 2
    assert message["Subject"] == "New: Chair"


@given(st.text(max_size=400), st.text(max_size=400))
def test_every_line_of_an_email_is_short_and_seven_bits_wide(name: str, description: str) -> None:
    content = new_product(name=name, description=description).to(ada()).content
    head, _, body = content.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert content.isascii()
