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
