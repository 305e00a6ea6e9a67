import pytest

from services.notifier.emails.links import LONGEST_LINK, link_template, product_link, web_link
from tests.unit.services.notifier.emails.conftest import a_product


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://shop.example/a", "https://shop.example/a"),
        ("HTTP://shop.example/ä", "HTTP://shop.example/ä"),
        ("https://shop.example/a b\r\nc", "https://shop.example/a%20b%20c"),
        ("javascript:alert(1)", None),
        (" javascript:alert('https://x')", None),
        ("https:shop.example", None),
        ("https:///a", None),
        ("//shop.example", None),
        ("https://x/" + "a" * LONGEST_LINK, None),
        ("", None),
    ],
)
def test_a_link_is_one_word_that_the_web_serves(url: str, link: str | None) -> None:
    assert web_link(url) == link


@pytest.mark.parametrize(
    "template",
    [
        "",
        "https://shop.example/p/{id}",
        "https://shop.example?sku={sku}&id={id}",
        "HTTP://shop.example:8080/{sku}#{id}",
    ],
)
def test_a_template_may_name_the_id_and_the_sku(template: str) -> None:
    assert link_template(template) == template


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("https://shop.example/{name}", r"has \{name\}, but only \{id\} and \{sku\}"),
        ("https://shop.example/{id.__class__}", r"has \{id.__class__\}"),
        ("https://shop.example/{id!r}", r"has \{id!r\}"),
        ("https://shop.example/{id:>99999999}", r"has \{id:>99999999\}"),
        ("https://shop.example/{}", r"has \{\}"),
        ("https://shop.example/{0}", r"has \{0\}"),
        ("https://shop.example/{{id}}", r"has \{\{id\}"),
        ("https://shop.example/{id", "a brace that belongs to no"),
        ("https://shop.example/id}", "a brace that belongs to no"),
        ("https://shop.example/", r"http\[s\]://host/path with \{id\} or \{sku\}"),
        ("https://{sku}.example/", r"http\[s\]://host/path"),
        ("https://shop.example{sku}/", r"http\[s\]://host/path"),
        ("https:///{id}", r"http\[s\]://host/path"),
        ("{id}", r"http\[s\]://host/path"),
        ("javascript:alert('{sku}')", r"http\[s\]://host/path"),
        ("ftp://shop.example/{id}", r"http\[s\]://host/path"),
        ("https://shop.example/a b/{id}", r"http\[s\]://host/path"),
        ("https://shop.example/\x01{id}", r"http\[s\]://host/path"),
        ("https://shop.example/{id}" + "a" * 2_000, "at most 1000 characters"),
    ],
)
def test_a_template_that_cannot_be_filled_in_safely_is_refused(template: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        link_template(template)


@pytest.mark.parametrize(
    ("sku", "encoded"),
    [
        ("{id}", "%7Bid%7D"),
        ("../admin?x#y", "..%2Fadmin%3Fx%23y"),
        ("ü \U0001f600", "%C3%BC%20%F0%9F%98%80"),
        ("\ud800", "%3F"),
    ],
)
def test_a_sku_is_one_part_of_the_link_whatever_it_holds(sku: str, encoded: str) -> None:
    assert product_link("https://shop.example/{sku}/", a_product(sku=sku)) == (
        f"https://shop.example/{encoded}/"
    )
