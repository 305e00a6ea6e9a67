"""The bus that a setting names."""

from urllib.parse import urlsplit

from heliograph.bus.memory import MemoryBus
from heliograph.bus.protocol import Bus
from heliograph.errors import InvalidSetting
from heliograph.extras import extra


def bus_from_url(url: str, *, name: str = "heliograph") -> Bus:
    """Make the bus of a `memory://` or `amqp[s]://` URL; it connects when it is first used.

    `name` is shown by the broker beside each connection. Raises `InvalidSetting`, which
    never shows the URL's password, and `MissingExtra`.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return MemoryBus()
    if scheme in {"amqp", "amqps"}:
        with extra("rabbitmq"):
            from heliograph.bus.rabbitmq import RabbitBus
        return RabbitBus(url, name=name)
    raise InvalidSetting(f"a bus URL begins with memory://, amqp:// or amqps://, not {scheme}://")
