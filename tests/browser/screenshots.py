"""The README's pictures of the console: a list of events, and the way of one of them."""

import re
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.window import chromium, window
from tests.programs import ROOT, embedded
from tests.story import Shop

PICTURES = ROOT / "docs/pictures"
SIZE = (1200, 860)


def main() -> None:
    """Play a story and take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as running:
        with Shop(running.catalog, running.notifier, running.token) as shop:
            shop.subscribe("reader@example.com", "price_drop")
            for sku, name, price, lower in (
                ("CHAIR-1", "Garden chair", "49.00", "45.00"),
                ("SHADE-7", "Parasol, green", "89.90", "79.90"),
                ("LAMP-1", "Desk lamp", "19.99", "14.99"),
            ):
                product = shop.create(sku, name, price)
                shop.add_image(product["id"])
                shop.reprice(product["id"], lower)
        [link] = running.program.said(r"^console +(\S+)$")
        origin, _, path = link.partition("/sign-in/")
        with chromium() as launched, window(launched, origin, SIZE) as opened:
            page = opened.go(f"/sign-in/{path}")
            drop = page.get_by_role("row").filter(has_text="19.99 → 14.99")
            expect(drop).to_have_count(2)
            _take(opened.page.screenshot(), "events.png")
            drop.filter(has_text="pre_save").get_by_role("link", name="19.99 → 14.99").click()
            expect(page.get_by_role("main")).to_contain_text(
                re.compile(r"Emails\s*sent"), timeout=15_000
            )
            _take(page.screenshot(full_page=False), "way.png")


def _take(picture: bytes, name: str) -> None:
    (PICTURES / name).write_bytes(picture)
    print(f"docs/pictures/{name}: {len(picture) // 1024} KiB")


if __name__ == "__main__":
    main()
