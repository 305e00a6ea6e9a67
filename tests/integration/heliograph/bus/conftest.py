from collections.abc import AsyncIterator

import pytest

from heliograph.bus import Bus, bus_from_url


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def bus_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    url: str = request.getfixturevalue("amqp_url")
    return url


@pytest.fixture
async def bus(bus_url: str) -> AsyncIterator[Bus]:
    bus = bus_from_url(bus_url)
    yield bus
    await bus.close()


@pytest.fixture
async def rabbit(amqp_url: str) -> AsyncIterator[Bus]:
    bus = bus_from_url(amqp_url)
    yield bus
    await bus.close()
