"""The page for who comes from Django: its receivers are put in place of ours, and do the same."""

import shutil
import signal
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from heliograph.settings import DEVELOPMENT_KEY
from heliograph.tokens import Tokens
from tests.coming import files, write
from tests.programs import ROOT, Program, eventually
from tests.story import Shop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coming")
    for package in ("shared", "services"):
        shutil.copytree(ROOT / package, path / package)
    written = [name for name in files() if name.startswith("services/")]
    assert written == ["services/notifier/receivers.py", "services/catalog/receivers.py"]
    assert all((path / name).exists() for name in written)
    write(path, "services/")
    return path


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    """Both services with the page's receivers, in one process."""
    path = f"{folder}:{folder / 'shared'}"
    program = Program(folder, "services", "--port", "0", settings={"PYTHONPATH": path})
    try:
        token = program.wait_for(r"^token +(\S+)$")
        [catalog], [notifier] = (program.said(rf"^{each} +(\S+)$") for each in SERVICES)
        with Shop(catalog, notifier, token) as shop:
            yield shop
    finally:
        program.stop(signal.SIGKILL)


SERVICES = ("catalog", "notifier")


def emails(folder: Path) -> list[tuple[str, str]]:
    """The recipient and the subject of each email that was sent."""
    found = [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in (folder / "var/mail").glob("*.eml")
    ]
    return [(str(each["To"]), str(each["Subject"])) for each in found]


def test_a_new_product_is_emailed(folder: Path, shop: Shop) -> None:
    shop.subscribe("ann@example.com", "new_product")
    shop.create("LAMP-1", "Desk lamp", "19.99")
    eventually("an email", lambda: [to for to, _ in emails(folder)] == ["ann@example.com"])
    assert emails(folder)[0][1].startswith("New: Desk lamp")


def test_a_price_drop_is_emailed(folder: Path, shop: Shop) -> None:
    shop.subscribe("bob@example.com", "price_drop")
    product = shop.create("LAMP-2", "Torch", "19.99")["id"]
    shop.reprice(product, "24.99")
    shop.reprice(product, "14.99")
    wanted = "Price drop: Torch now 14.99 EUR (was 24.99 EUR)"
    eventually(
        "an email", lambda: [s for to, s in emails(folder) if to == "bob@example.com"] == [wanted]
    )


def test_the_images_of_a_deleted_product_are_removed(folder: Path, shop: Shop) -> None:
    def images() -> int:
        return sum(path.is_file() for path in (folder / "var/images").rglob("*"))

    product = shop.create("LAMP-3", "Lantern", "19.99")["id"]
    shop.add_image(product)
    assert images() > 0
    shop.delete(product)
    eventually("no file", lambda: images() == 0)


def test_views_are_recorded(shop: Shop) -> None:
    product = shop.create("LAMP-4", "Candle", "1.99")["id"]
    vera = Tokens(DEVELOPMENT_KEY, "catalog").issue("vera", ["catalog:read"])
    for token in (vera, vera, None):
        shop.view(product, token)
    eventually("three views", lambda: shop.views(product).get("count") == 3)
    assert [(each["viewer"], each["count"]) for each in shop.views(product)["viewers"]] == [
        ("vera", 2)
    ]
