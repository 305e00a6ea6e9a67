from pathlib import Path

import pytest

from heliograph import InvalidSetting
from heliograph.settings import load
from services.notifier.settings import NotifierSettings


def test_a_publisher_is_asked_for_only_where_there_are_users() -> None:
    with pytest.raises(InvalidSetting, match=r"^NOTIFIER_CATALOG_USER: must be empty"):
        load(NotifierSettings, {"NOTIFIER_CATALOG_USER": "catalog"})
    on_broker = {
        "NOTIFIER_BUS_URL": "amqp://notifier:password@broker/",
        "NOTIFIER_SECRET_KEY": "a key of the tests, long enough for HS256",
    }
    assert load(NotifierSettings, on_broker).catalog_user == ""
    named = load(NotifierSettings, {**on_broker, "NOTIFIER_CATALOG_USER": "catalog"})
    assert named.catalog_user == "catalog"


@pytest.mark.parametrize("name", ["Europe/Nowhere", "europe/berlin", "../UTC", "+02:00", ""])
def test_a_time_zone_is_one_that_there_is(name: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^NOTIFIER_TIME_ZONE: must be a time zone of the"):
        load(NotifierSettings, {"NOTIFIER_TIME_ZONE": name})
    assert load(NotifierSettings, {"NOTIFIER_TIME_ZONE": "Asia/Tokyo"}).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PRODUCT_LINK", "https://shop.example/{name}", r"has \{name\}, but only \{id\}"),
        ("PRODUCT_LINK", "ftp://shop.example/{id}", r"must be http\[s\]://host/path"),
        ("LOCALE", "tlh", "must be a language that there are texts for: en$"),
        ("LOCALE", "", "must be a language that there are texts for: en$"),
        ("TEMPLATES", "/nowhere/at/all", "must be a directory that exists$"),
        ("TEMPLATES", __file__, "must be a directory that exists$"),
        ("TEMPLATES", "a\0b", "must be a directory that exists$"),
    ],
)
def test_what_emails_cannot_be_written_with_is_refused(name: str, value: str, told: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^NOTIFIER_{name}: {told}"):
        load(NotifierSettings, {f"NOTIFIER_{name}": value})


def test_who_was_told_a_price_is_known_for_as_long_as_the_cool_down_lasts() -> None:
    days = "NOTIFIER_NOTIFICATIONS_KEPT_DAYS"
    with pytest.raises(
        InvalidSetting, match=rf"^{days}: must be as long as NOTIFIER_PRICE_COOLDOWN_SECONDS, or"
    ):
        load(NotifierSettings, {"NOTIFIER_PRICE_COOLDOWN_SECONDS": "86401", days: "1"})
    for cooldown, kept in (("86400", 1), (str(31 * 86_400), 31)):
        settings = load(
            NotifierSettings, {"NOTIFIER_PRICE_COOLDOWN_SECONDS": cooldown, days: str(kept)}
        )
        assert settings.notifications_kept_days == kept


def test_how_emails_are_written_can_be_set(tmp_path: Path) -> None:
    settings = load(
        NotifierSettings,
        {
            "NOTIFIER_PRODUCT_LINK": "https://shop.example/{sku}",
            "NOTIFIER_LOCALE": "en",
            "NOTIFIER_TIME_ZONE": "Europe/Berlin",
            "NOTIFIER_TEMPLATES": str(tmp_path),
        },
    )
    assert settings.product_link == "https://shop.example/{sku}"
    assert settings.time_zone == "Europe/Berlin"
    assert settings.templates == tmp_path


def test_by_default_links_are_the_products_own_and_templates_ours() -> None:
    settings = load(NotifierSettings, {"NOTIFIER_TEMPLATES": ""})
    assert (settings.product_link, settings.templates) == ("", None)
    assert (settings.locale, settings.time_zone) == ("en", "UTC")
