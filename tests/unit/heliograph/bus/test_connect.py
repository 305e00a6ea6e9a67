import pytest

from heliograph import InvalidSetting
from heliograph.bus import MemoryBus, bus_from_url
from heliograph.bus.rabbitmq import RabbitBus


def test_memory_is_the_bus_within_the_process() -> None:
    assert isinstance(bus_from_url("memory://"), MemoryBus)


@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
async def test_amqp_is_the_bus_through_the_broker(scheme: str) -> None:
    assert isinstance(bus_from_url(f"{scheme}://localhost/vhost"), RabbitBus)


def test_any_other_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(InvalidSetting, match="kafka://") as refusal:
        bus_from_url("kafka://me:secret@localhost")
    assert "secret" not in str(refusal.value)
