import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.notifier.emails.text import fitted, one_line
from tests.unit.services.notifier.emails.conftest import (
    IMAGE,
    PUBLIC_URL,
    THUMBNAIL,
    TOKEN,
    Page,
    ada,
    new_product,
    part,
    price_drop,
    received,
)

UNSUBSCRIBE_URL = f"{PUBLIC_URL}/unsubscribe/{TOKEN}"
PREFERENCES_URL = f"{PUBLIC_URL}/preferences/{TOKEN}"


def test_a_new_product_is_shown_with_its_link_price_and_way_out() -> None:
    message = received(new_product())
    assert message["Subject"] == "New: Aeron Chair"
    page = Page(part(message, "html"))
    assert page.links() == {
        "https://shop.example/v1/products/1",
        PREFERENCES_URL,
        UNSUBSCRIBE_URL,
    }
    for body in (part(message, "plain"), page.text):
        assert "Aeron Chair" in body
        assert "14.99 EUR" in body
        assert "Sits well." in body
        assert "ada@example.org" in body
    plain = part(message, "plain")
    assert "https://shop.example/v1/products/1\n" in plain
    assert f"Preferences: {PREFERENCES_URL}\n" in plain
    assert f"Unsubscribe: {UNSUBSCRIBE_URL}\n" in plain


def test_a_price_drop_shows_the_old_and_the_new_price() -> None:
    message = received(price_drop())
    assert message["Subject"] == "Price drop: Aeron Chair now 14.99 EUR (was 1,219.99 EUR)"
    for body in (part(message, "plain"), Page(part(message, "html")).text):
        assert "14.99 EUR" in body
        assert "1,219.99 EUR" in body


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
    for shown in Page(part(received(new_product(images=[image])), "html")).images():
        assert shown["src"] is not None
        assert shown["src"].startswith("https://")


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


@example("0" + "\U00010000" * 8 + " \xa1 \xa1", "")
@given(st.text(min_size=1, max_size=300), st.text(max_size=600))
def test_any_name_arrives_in_one_subject_and_both_parts(name: str, description: str) -> None:
    message = received(price_drop(name=name, description=description))
    tail = " now 14.99 EUR (was 1,219.99 EUR)"
    assert message["Subject"] == fitted("Price drop: ", one_line(name), tail, 150)
    assert one_line(name) in part(message, "plain")
    assert one_line(name) in Page(part(message, "html")).text


def test_no_email_holds_words_of_another_recipient() -> None:
    letter = new_product()
    letter.to(ada(recipient="eve@example.org"))
    assert b"eve@" not in letter.to(ada()).content
