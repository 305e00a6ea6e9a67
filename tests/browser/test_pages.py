"""Every page: for everybody, in every width and scheme, and nothing from elsewhere."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Site
from tests.browser.window import MIDDLE, NARROW, WIDE, Scheme, Window, window

PAGES = ("/", "/parked", "/emails", "/products", "/state")


@pytest.fixture(scope="session")
def told(site: Site) -> dict[str, str]:
    """Pages of a product and its first event."""
    with site.shop as shop:
        shop.subscribe("ada@example.com", "price_drop")
        product = shop.create("SHADE-1", "Shade", "19.99")
        shop.add_image(product["id"])
        shop.reprice(product["id"], "9.99")
        shop.view(product["id"])
    return {"product": f"/products/{product['id']}", "list": f"/?product={product['id']}"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, MIDDLE, NARROW], ids=["wide", "middle", "narrow"])
def test_pages_suit_everybody(
    site: Site, launched: Browser, told: dict[str, str], size: tuple[int, int], scheme: Scheme
) -> None:
    with window(launched, site.console, size, scheme) as opened:
        opened.go("/sign-in")
        assert opened.violations() == []
        opened.go(site.link())
        page = opened.go(told["list"])
        link = page.locator('a[href^="/events/"]').first
        expect(link).to_be_visible()
        event = link.get_attribute("href") or ""
        for path in (*PAGES, told["product"], event):
            opened.go(path)
            assert (path, opened.violations()) == (path, [])
            assert (path, opened.overflows()) == (path, False)


def test_a_missing_description_would_be_found(signed_in: Window) -> None:
    page = signed_in.go("/state")
    page.evaluate(
        "document.querySelector('main')"
        ".append(Object.assign(new Image(), {src: '/static/icon.svg'}))"
    )
    assert [each.partition(":")[0] for each in signed_in.violations()] == ["image-alt"]


def test_who_only_looks_sees_no_address_and_no_button(
    site: Site, launched: Browser, told: dict[str, str]
) -> None:
    with window(launched, site.console) as opened:
        opened.go(site.link("console:read"))
        page = opened.go("/emails")
        expect(page.get_by_role("main")).to_contain_text("a…@example.com")
        expect(page.get_by_role("main")).not_to_contain_text("ada@example.com")
        page = opened.go("/parked")
        assert page.get_by_role("button", name="Redrive").count() == 0


def test_a_session_that_has_ended_leads_to_where_one_signs_in(
    site: Site, launched: Browser
) -> None:
    with window(launched, site.console) as opened:
        opened.go(site.link())
        page = opened.go("/state")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in*")
        opened.go("/state")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
