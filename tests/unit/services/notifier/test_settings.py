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
