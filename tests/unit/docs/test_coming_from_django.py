"""The page for who comes from Django: its Django is Django, and none of it is missing."""

import dataclasses
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import signals as auth
from django.core import mail
from django.core import signals as core
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.backends import signals as backends
from django.db.models import signals as models
from django.dispatch import Signal
from django.test import RequestFactory
from django.test import signals as testing
from django.test.utils import setup_test_environment, teardown_test_environment

import heliograph
from heliograph.database import Session
from services.catalog.repositories.products import ProductRepository
from tests.coming import PAGE, ROOT, files, rows, write


@pytest.fixture(scope="module")
def models_under_django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The models of the page's app, under Django."""
    folder = tmp_path_factory.mktemp("django")
    write(folder, "shop/")
    (folder / "shop/__init__.py").touch()
    settings.configure(
        INSTALLED_APPS=["shop.apps.ShopConfig"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
        MEDIA_ROOT=str(folder / "media"),
        USE_TZ=True,
    )
    sys.path.insert(0, str(folder))
    django.setup()
    setup_test_environment()  # keeps emails
    try:
        with connection.schema_editor() as editor:
            for model in apps.get_app_config("shop").get_models():
                editor.create_model(model)
        yield apps.get_app_config("shop").models_module
    finally:
        teardown_test_environment()
        connection.close()
        sys.path.remove(str(folder))


@pytest.fixture
def shop(models_under_django: Any) -> Iterator[Any]:
    """Those models, with no rows and no emails."""
    mail.outbox = []
    with transaction.atomic():
        yield models_under_django
        transaction.set_rollback(True)


def subjects() -> list[str]:
    return [each.subject for each in mail.outbox]


def test_django_emails_of_a_new_product(shop: Any) -> None:
    shop.Subscription.objects.create(email="ann@example.com", topic="new_product")
    lamp = shop.Product.objects.create(name="Lamp", price=Decimal("19.99"))
    lamp.save()
    assert [each.to for each in mail.outbox] == [["ann@example.com"]]
    assert subjects() == ["New: Lamp"]


def test_django_emails_of_a_price_drop(shop: Any) -> None:
    shop.Subscription.objects.create(email="ann@example.com", topic="price_drop")
    lamp = shop.Product.objects.create(name="Lamp", price=Decimal("19.99"))
    for price in ("24.99", "14.99", "14.99"):
        lamp.price = Decimal(price)
        lamp.save()
    assert subjects() == ["Price drop: Lamp now 14.99 EUR (was 24.99 EUR)"]


def test_django_removes_the_images_of_a_product_that_is_deleted(shop: Any) -> None:
    lamp = shop.Product.objects.create(name="Lamp", price=Decimal("19.99"))
    image = shop.Image.objects.create(product=lamp, file=ContentFile(b"data", name="lamp.png"))
    file = Path(image.file.path)
    assert file.exists()
    lamp.delete()
    assert not file.exists()


def test_django_records_who_viewed_a_product(shop: Any) -> None:
    read_product = import_module("shop.views").read_product
    lamp = shop.Product.objects.create(name="Lamp", price=Decimal("19.99"))
    for query in ({"as": "vera"}, {"as": "vera"}, {}):
        assert read_product(RequestFactory().get("/", query), lamp.pk).status_code == 200
    assert sorted(lamp.views.values_list("viewer", flat=True), key=str) == [None, "vera", "vera"]


def signals() -> dict[str, Signal]:
    """Every signal of Django's own, by name."""
    return {
        name: value
        for module in (core, backends, models, testing, auth)
        for name, value in vars(module).items()
        if issubclass(type(value), Signal)  # settings that are not configured have no class
    }


def given_by_django(shop: Any) -> set[str]:
    """What Django's receivers are given by name, as far as an app can make it give something."""
    given = {"action", "reverse", "model", "pk_set"}  # of m2m_changed: the shop has no relation

    def note(**arguments: Any) -> None:
        given.update(arguments)

    for name in ("pre_save", "post_save", "pre_delete", "post_delete"):
        signals()[name].connect(note, sender=shop.Product)
    try:
        shop.Product.objects.create(name="Lamp", price=Decimal("19.99")).delete()
    finally:
        for name in ("pre_save", "post_save", "pre_delete", "post_delete"):
            signals()[name].disconnect(note, sender=shop.Product)
    return given


def named(section: str) -> str:
    """The left column of a section's table: what a reader looks for."""
    return "\n".join(row[0] for row in rows(section))


def test_every_signal_of_django_is_on_the_page() -> None:
    assert len(signals()) > 15
    for name in signals():
        assert f"`{name}`" in named("Signals")


def test_a_signal_that_the_page_says_is_here_is_here() -> None:
    for theirs, here in rows("Signals"):
        for name in re.findall(r"`(\w+)`", theirs):
            assert hasattr(heliograph, name) != here.startswith("none"), name


def test_what_the_page_names_of_ours_is_there() -> None:
    for named, ours in (
        (r"\bevent\.(\w+)", {each.name for each in dataclasses.fields(heliograph.Event)}),
        (r"`Signal\.(\w+)", dir(heliograph.Signal)),
        (r"\bsession\.(\w+)\(", dir(Session)),
        (r"`ProductRepository\.(\w+)", dir(ProductRepository)),
    ):
        found = set(re.findall(named, PAGE))
        assert found
        assert found <= set(ours)


def test_every_argument_of_a_model_signal_is_on_the_page(shop: Any) -> None:
    given = given_by_django(shop)
    assert {"created", "raw", "origin"} < given
    for name in given:
        assert f"`{name}`" in named("Arguments")


def test_every_method_of_a_signal_is_on_the_page() -> None:
    methods = {name for name, value in vars(Signal).items() if callable(value)}
    methods = {name for name in methods if not name.startswith("_")}
    assert {"connect", "asend"} < methods
    for name in methods:
        assert f"`Signal.{name}" in named("Connecting and sending")
    for name in inspect.signature(Signal.connect).parameters.keys() - {"self", "receiver"}:
        assert name in named("Connecting and sending")


def test_twenty_habits_are_on_the_page() -> None:
    assert len(rows("Habits")) >= 20
    assert all(len(row) == 2 for row in rows("Habits"))


def test_its_code_passes_our_linter(tmp_path: Path) -> None:
    write(tmp_path, "")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert {"shop/receivers.py", "services/notifier/receivers.py"} < files().keys()
    for words in (
        ["format", "--check", "."],
        ["check", "--ignore", "I001", "services"],
        # Django's tutorials have neither docstrings nor types.
        ["check", "--select", "E,F,W,B,UP", "shop"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
