"""Events that nobody had bound: counted, because for the sender they are not an error."""

from prometheus_client import Counter

UNROUTED = Counter("relay_unrouted", "Events published that no queue was bound to")
