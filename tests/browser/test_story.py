"""The README's story, from the page's side."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site
from tests.browser.window import Window


@pytest.fixture
def sku() -> str:
    return f"LAMP-{uuid4().hex[:8]}"


def test_a_price_drop_is_followed_from_the_request_to_the_mail_server(
    site: Site, signed_in: Window, sku: str
) -> None:
    page = signed_in.go("/")
    with site.shop as shop:
        product = shop.create(sku, "Desk lamp", "19.99")
        shop.subscribe(f"{sku}@example.com".lower(), "price_drop", product_id=product["id"])
        shop.reprice(product["id"], "14.99")
    # It comes by itself, to the page that was there before.
    row = page.get_by_role("row").filter(has_text=sku).filter(has_text="19.99 → 14.99")
    expect(row).to_have_count(2)
    row.filter(has_text="pre_save").get_by_role("link", name="19.99 → 14.99").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("19.99 → 14.99")
    main = page.get_by_role("main")
    for told in (
        "Requested by developer",
        "Committed by catalog",
        "Accepted by notifier email_price_drop",
        "Heard here",
        "done notifier email_price_drop",
        f"{sku.lower()}@example.com",
        "sent",
        "post_save",
    ):
        expect(main).to_contain_text(told)
    expect(main).to_contain_text(re.compile(r"<[0-9a-f-]{36}\.[0-9a-f-]{36}@"))


def test_a_product_has_a_page_with_its_picture_and_history(
    site: Site, signed_in: Window, sku: str
) -> None:
    with site.shop as shop:
        product = shop.create(sku, "Floor lamp", "29.99")
        shop.add_image(product["id"])
    page = signed_in.go(f"/products/{product['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Floor lamp")
    picture = page.get_by_role("img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("each => each.complete && each.naturalWidth > 0")


def test_what_is_hostile_is_shown_as_text(site: Site, signed_in: Window, sku: str) -> None:
    name = '<img src=x onerror="alert(1)"> \u202egnp.exe'
    with site.shop as shop:
        product = shop.create(sku, name, "1.00")
    page = signed_in.go(f"/?product={product['id']}")
    expect(page.get_by_role("main")).to_contain_text("<img src=x onerror=")
    assert page.locator("img[src=x]").count() == 0


def test_keyboard_alone_reaches_an_event(site: Site, signed_in: Window, sku: str) -> None:
    with site.shop as shop:
        product = shop.create(sku, "Night lamp", "9.99")
    page = signed_in.go(f"/?product={product['id']}")
    expect(page.get_by_role("row").filter(has_text=sku)).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the content")
    for _ in range(60):
        page.keyboard.press("Tab")
        if "/events/" in (page.locator(":focus").get_attribute("href") or ""):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/events/*")
    expect(page.get_by_role("heading", name="Its way")).to_be_visible()
