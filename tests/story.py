"""The story of the README, told over HTTP: create, picture, reprice, view, delete."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import httpx2

from tests.pictures import jpeg
from tests.programs import eventually

Emails = Callable[[], list[tuple[str, str]]]
"""What was sent so far: recipient and subject."""
Files = Callable[[], int]
"""How many image files there are."""


class Shop:
    """Both services' APIs, as somebody with every scope uses them."""

    def __init__(
        self, catalog: str, notifier: str, token: str, notifier_token: str | None = None
    ) -> None:
        """The second token is for a notifier with a secret key of its own."""
        headers = {"Authorization": f"Bearer {token}"}
        self.catalog = httpx2.Client(base_url=catalog, headers=headers, timeout=20)
        headers = {"Authorization": f"Bearer {notifier_token or token}"}
        self.notifier = httpx2.Client(base_url=notifier, headers=headers, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.catalog.close()
        self.notifier.close()

    def subscribe(self, email: str, topic: str, **wish: str) -> None:
        answer = self.notifier.post(
            "/v1/subscriptions", json={"email": email, "topic": topic, **wish}
        )
        assert answer.status_code == 201, answer.text

    def create(self, sku: str, name: str, price: str) -> dict[str, Any]:
        answer = self.catalog.post(
            "/v1/products", json={"sku": sku, "name": name, "price": price, "currency": "EUR"}
        )
        assert answer.status_code == 201, answer.text
        product: dict[str, Any] = answer.json()
        assert answer.headers["location"].endswith(f"/v1/products/{product['id']}")
        return product

    def reprice(self, id: str, price: str) -> None:
        answer = self.catalog.patch(f"/v1/products/{id}", json={"price": price})
        assert answer.status_code == 200, answer.text

    def add_image(self, id: str) -> dict[str, Any]:
        answer = self.catalog.post(
            f"/v1/products/{id}/images", files={"file": ("lamp.jpg", jpeg(), "image/jpeg")}
        )
        assert answer.status_code == 201, answer.text
        image: dict[str, Any] = answer.json()
        return image

    def view(self, id: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx2.get(f"{self.catalog.base_url}/v1/products/{id}", headers=headers)
        assert answer.status_code == 200, answer.text

    def views(self, id: str) -> dict[str, Any]:
        views: dict[str, Any] = self.catalog.get(f"/v1/products/{id}/views").json()
        return views

    def delete(self, id: str) -> None:
        assert self.catalog.delete(f"/v1/products/{id}").status_code == 204


def tell(shop: Shop, emails: Emails, files: Files, viewer_token: str) -> str:
    """Play the whole story, check what it leaves, and return the product's id."""
    shop.subscribe("ann@example.com", "new_product")
    shop.subscribe("bob@example.com", "new_product")
    product = shop.create("LAMP-1", "Desk lamp", "19.99")
    product_id = product["id"]
    eventually("two emails about the new product", lambda: len(emails()) == 2)

    shop.subscribe("ann@example.com", "price_drop")
    shop.subscribe("cat@example.com", "price_drop", product_id=product_id)
    shop.subscribe(
        "dan@example.com", "price_drop", product_id=product_id, target_price="9.99", currency="EUR"
    )
    image = shop.add_image(product_id)
    assert files() == 1 + len(image["variants"])
    picture = shop.catalog.get(f"/v1/images/{image['key']}")
    assert picture.headers["content-type"] == image["content_type"]

    shop.reprice(product_id, "24.99")
    shop.reprice(product_id, "14.99")
    eventually("two emails about the price drop", lambda: len(emails()) == 4)

    for token in (viewer_token, viewer_token, None):
        shop.view(product_id, token)
    eventually("three views", lambda: shop.views(product_id).get("count") == 3)

    shop.delete(product_id)
    eventually("no file", lambda: files() == 0)
    views = shop.views(product_id)
    assert views["count"] == 3
    assert [(each["viewer"], each["count"]) for each in views["viewers"]] == [("vera", 2)]

    kinds = Counter((to, subject.partition(":")[0]) for to, subject in emails())
    assert kinds == {
        ("ann@example.com", "New"): 1,
        ("bob@example.com", "New"): 1,
        ("ann@example.com", "Price drop"): 1,
        ("cat@example.com", "Price drop"): 1,
    }
    assert all("Desk lamp" in subject for _, subject in emails())
    return str(product_id)
