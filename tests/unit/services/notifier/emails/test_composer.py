from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import contracts
from services.notifier.emails.composer import LARGEST, Composer
from services.notifier.emails.facts import SHOWN, Facts
from services.notifier.emails.text import fitted, one_line
from tests.unit.services.notifier.emails.conftest import (
    IMAGE,
    MAIL_FROM,
    PUBLIC_URL,
    SECRET,
    THUMBNAIL,
    TOKEN,
    Page,
    a_drop,
    a_letter,
    a_product,
    ada,
    an_item,
    composer,
    confirmation,
    new_product,
    part,
    price_drop,
    received,
)

UNSUBSCRIBE_URL = f"{PUBLIC_URL}/unsubscribe/{TOKEN}"
PREFERENCES_URL = f"{PUBLIC_URL}/preferences/{TOKEN}"


MINUS = "\N{MINUS SIGN}"


def bodies(message: EmailMessage) -> tuple[str, str]:
    """What is read of the plain part and of the HTML part."""
    return part(message, "plain"), Page(part(message, "html")).shown


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


def test_a_price_drop_shows_both_prices_and_by_how_much_it_fell() -> None:
    message = received(price_drop())
    assert message["Subject"] == "Price drop: Aeron Chair now 14.99 EUR (was 1,219.99 EUR)"
    for body in bodies(message):
        assert "14.99 EUR" in body
        assert "1,219.99 EUR" in body
        assert f"{MINUS}99 %" in body


def test_a_target_that_was_met_already_shows_no_price_before() -> None:
    facts = Facts(
        kind="price_drop",
        items=(a_drop(old_minor=None),),
        target_minor=1_500,
        target_currency="EUR",
    )
    message = received(a_letter(facts))
    assert message["Subject"] == "Target reached: Aeron Chair now 14.99 EUR"
    for body in bodies(message):
        assert "Your target of 15.00 EUR is reached" in body
        assert "was" not in body
        assert "%" not in body
        assert "Price drop" not in body


@pytest.mark.parametrize("target", [(1_498, "EUR"), (1_500, "USD")])
def test_a_target_that_is_not_met_is_not_told(target: tuple[int, str]) -> None:
    facts = Facts(
        kind="price_drop", items=(a_drop(),), target_minor=target[0], target_currency=target[1]
    )
    message = received(a_letter(facts))
    assert message["Subject"].startswith("Price drop: ")
    assert "target" not in part(message, "plain")


@pytest.mark.parametrize("old_minor", [1_499, 1_200])
def test_no_price_before_is_shown_unless_it_was_higher(old_minor: int) -> None:
    facts = Facts(kind="price_drop", items=(a_drop(old_minor=old_minor),))
    message = received(a_letter(facts))
    assert message["Subject"] == "Price drop: Aeron Chair now 14.99 EUR"
    assert "%" not in part(message, "plain")


@pytest.mark.parametrize(
    ("currency", "amount", "minor", "shown"),
    [
        ("JPY", "150000", 150_000, "150,000 JPY"),
        ("KWD", "1234.567", 1_234_567, "1,234.567 KWD"),
        ("XXX", "12.5", None, "12.5 XXX"),
    ],
)
def test_a_price_has_the_decimals_of_its_currency(
    currency: str, amount: str, minor: int | None, shown: str
) -> None:
    item = an_item(currency=currency, new_minor=minor)
    product = a_product(currency=currency, price=amount)
    message = received(a_letter(Facts(kind="new_product", items=(item,)), product))
    for body in bodies(message):
        assert shown in body


def test_a_price_that_nobody_knows_is_not_shown() -> None:
    facts = Facts(kind="price_drop", items=(a_drop(currency="XXX", new_minor=None),))
    message = received(a_letter(facts))
    assert message["Subject"] == "Price drop: Aeron Chair"
    assert "14.99" not in part(message, "plain")


def test_many_new_products_are_one_email_that_counts_those_it_does_not_show() -> None:
    items = tuple(map(an_item, range(1, 21)))
    products = [a_product(number, name=f"Chair {number}") for number in range(1, 21)]
    message = received(a_letter(Facts(kind="new_product", items=items, more=5), *products))
    assert message["Subject"] == "25 new products: Chair 1, Chair 2 and 23 more"
    for body in bodies(message):
        assert "Chair 12" in body
        assert "Chair 13" not in body
        assert "and 13 more" in body
    plain, links = part(message, "plain"), Page(part(message, "html")).links()
    for number in range(1, SHOWN + 1):
        assert f"  https://shop.example/v1/products/{number}\n" in plain
        assert f"https://shop.example/v1/products/{number}" in links
    assert plain.count("14.99 EUR") == SHOWN


def test_a_digest_tells_lower_prices_before_new_products() -> None:
    facts = Facts(kind="digest", items=(an_item(1), a_drop(2), an_item(3), a_drop(4)), more=7)
    products = [a_product(number, name=f"Chair {number}") for number in range(1, 5)]
    message = received(a_letter(facts, *products))
    assert message["Subject"] == "Your digest: 2 lower prices, 2 new products and 7 more"
    expected = ["Lower prices", "Chair 2", "Chair 4", "New products", "Chair 1", "Chair 3"]
    for body in (part(message, "plain"), Page(part(message, "html")).shown):
        places = [body.rindex(words) for words in (*expected, "and 7 more")]
        assert places == sorted(places)


def test_a_digest_of_one_kind_has_no_other_section() -> None:
    for facts, absent in (
        (Facts(kind="digest", items=(a_drop(),)), "New products"),
        (Facts(kind="digest", items=(an_item(),)), "Lower prices"),
    ):
        for body in bodies(received(a_letter(facts))):
            assert absent not in body


WISHES: list[tuple[dict[str, Any], str]] = [
    ({"topic": "new_product"}, "emails about new products"),
    ({"topic": "price_drop"}, "emails about lower prices of any product"),
    (
        {"topic": "price_drop", "items": (a_drop(old_minor=None, new_minor=None),)},
        "emails when the price of Aeron Chair falls",
    ),
    (
        {
            "topic": "price_drop",
            "items": (a_drop(old_minor=None, new_minor=None),),
            "target_minor": 4_500,
            "target_currency": "EUR",
        },
        "an email when the price of Aeron Chair is 45.00 EUR or less",
    ),
]


@pytest.mark.parametrize(("wish", "words"), WISHES)
def test_a_confirmation_says_what_is_asked_for_and_that_it_can_be_ignored(
    wish: dict[str, Any], words: str
) -> None:
    message = received(confirmation(**wish), token=None, secret=SECRET)
    assert message["Subject"] == "Please confirm your subscription"
    for body in bodies(message):
        asked = f"asked us for {words}, to be sent to ada@example.org."
        assert asked in " ".join(body.split())
        assert "valid for 48 hours" in body
        assert "Ignore this email" in body
        assert "Unsubscribe" not in body
    assert Page(part(message, "html")).links() == {f"{PUBLIC_URL}/confirm/{SECRET}"}
    assert f"{PUBLIC_URL}/confirm/{SECRET}\n" in part(message, "plain")


def test_a_confirmation_of_a_product_that_is_not_known_yet_names_none() -> None:
    facts = Facts(kind="confirmation", topic="price_drop", items=(a_drop(),))
    letter = composer.letter(facts, {})
    assert "asked us for emails when the price of one product falls, to" in letter.text


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//shop.example/x", "ftp://x/y", "https://", ""],
)
def test_only_what_the_web_serves_becomes_a_link_or_an_image(url: str) -> None:
    product = a_product(images=[IMAGE])
    picture = product.images[0].model_copy(update={"url": url})
    product = product.model_copy(update={"url": url, "images": (picture,)})
    for facts, unsubscribe_url in (
        (Facts(kind="new_product", items=(an_item(),)), UNSUBSCRIBE_URL),
        (Facts(kind="digest", items=(an_item(), a_drop())), f"{UNSUBSCRIBE_URL}?all=digests"),
    ):
        message = received(a_letter(facts, product))
        page = Page(part(message, "html"))
        assert page.links() == {PREFERENCES_URL, unsubscribe_url}
        assert page.images() == []
        assert "Aeron Chair" in page.text
        assert not url or f"{url}\n" not in part(message, "plain")


def test_a_link_of_the_shops_own_replaces_that_of_the_product() -> None:
    shop = Composer(MAIL_FROM, PUBLIC_URL, product_link="https://shop.example/p/{sku}?id={id}")
    product = a_product(sku="a b/{id}&ü", images=[IMAGE])
    letter = a_letter(Facts(kind="new_product", items=(an_item(),)), product, by=shop)
    link = f"https://shop.example/p/a%20b%2F%7Bid%7D%26%C3%BC?id={product.id}"
    message = received(letter)
    assert link in Page(part(message, "html")).links()
    assert product.url not in Page(part(message, "html")).links()
    assert f"{link}\n" in part(message, "plain")


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


def test_images_in_a_grid_are_small_however_tall_they_are() -> None:
    tall = IMAGE | {"width": 200, "height": 2_000}
    facts = Facts(kind="new_product", items=(an_item(1), an_item(2)))
    letter = a_letter(facts, a_product(1, images=[tall]), a_product(2, images=[IMAGE]))
    widths = [image["width"] for image in Page(part(received(letter), "html")).images()]
    assert widths == ["19", "256"]


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


WIDE = st.sampled_from(["a", "=", "é", "語", "\U0001f600", "<", "&", '"', " ", "\n"])


@st.composite
def heavy_products(draw: st.DrawFn, number: int) -> contracts.Product:
    """A product as large as one can be, of characters that grow when they are written out."""

    def words(length: int) -> str:
        return (draw(WIDE) * length)[:length]

    picture = a_product(images=[IMAGE]).images[0]
    picture = picture.model_copy(
        update={"url": f"https://x/{words(4_000)}"[: draw(LENGTHS)], "alt": words(300)}
    )
    product = a_product(
        number,
        name=words(200),
        description=words(10_000),
        url=f"https://x/{words(4_000)}"[: draw(LENGTHS)],
        sku=words(64),
    )
    return product.model_copy(update={"images": (picture,)})


LENGTHS = st.sampled_from([40, 500, 670, 1_000, 2_000, 4_000])


@given(st.data())
@settings(max_examples=40)
def test_no_email_is_larger_than_mail_programs_show(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, SHOWN))
    products = [data.draw(heavy_products(number)) for number in range(1, count + 1)]
    shop = Composer(MAIL_FROM, LONGEST_URL)
    drops = tuple(a_drop(number, 10**15 - 1) for number in range(1, count + 1))
    for facts in (
        Facts(kind="new_product", items=tuple(map(an_item, range(1, count + 1)))),
        Facts(kind="price_drop", items=drops[:1]),
        Facts(kind="digest", items=drops),
        Facts(kind="confirmation", topic="price_drop", items=drops[:1]),
    ):
        letter = a_letter(facts, *products, by=shop)
        to = ada(recipient=LONGEST_ADDRESS, secret=SECRET)
        assert len(letter.to(to).content) <= 100_000
        assert letter.size <= LARGEST


LONGEST_URL = "https://shop.example/" + "=" * 1_979
LONGEST_ADDRESS = "é" * 30 + "@" + ".".join(["a" * 60] * 3) + ".de"


def test_what_does_not_fit_is_counted_among_the_rest() -> None:
    products = [
        a_product(number, name="語" * 200, url=f"https://x/{number}/" + "é" * 990, images=[IMAGE])
        for number in range(1, SHOWN + 1)
    ]
    facts = Facts(kind="new_product", items=tuple(map(an_item, range(1, SHOWN + 1))), more=3)
    message = received(a_letter(facts, *products))
    plain = part(message, "plain")
    shown = plain.count("14.99 EUR")
    assert 1 < shown < SHOWN
    assert f"and {SHOWN + 3 - shown} more\n" in plain
    assert message["Subject"].startswith("15 new products: ")
