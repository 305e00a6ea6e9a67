"""The bus through RabbitMQ, versions 3.10 to 4.x; needs the extra `rabbitmq`."""

from heliograph.extras import extra

with extra("rabbitmq"):
    from heliograph.bus.rabbitmq.bus import RabbitBus
    from heliograph.bus.rabbitmq.topology import queue_arguments

__all__ = [
    "RabbitBus",
    "queue_arguments",
]
