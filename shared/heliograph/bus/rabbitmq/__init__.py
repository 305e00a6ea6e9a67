"""The bus through RabbitMQ, versions 3.10 to 4.x; needs the extra `rabbitmq`."""

from heliograph.extras import extra

with extra("rabbitmq"):
    from heliograph.bus.rabbitmq.bus import RabbitBus

__all__ = ["RabbitBus"]
