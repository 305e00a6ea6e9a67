"""Events as the service that owns them would announce them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from heliograph.bus import Publisher
from heliograph.contract import Contract
from heliograph.errors import BusUnavailable
from heliograph.events import Event, encode, sequence
from heliograph.signals import Signal

C = TypeVar("C", bound=Contract)


async def announce(
    bus: Publisher, signal: Signal, instance: C, *, version: int | None = 1, **details: Any
) -> Event[C]:
    """Publish an event about `instance`; return it once every queue bound to it has it.

    `details` are fields of `Event`, such as `created`, `original` or `origin`; the changes follow
    from `original`. With `version` None it has no order, as views have none. Raises
    `BusUnavailable` if not every queue took it.
    """
    original: C | None = details.get("original")
    changes: Mapping[str, Any] | None = original.changes_to(instance) if original else None
    event = Event(
        sender=type(instance),
        instance=instance,
        snapshot=instance,
        signal=signal.name,
        version=version,
        sequence=None if version is None else sequence(version, 0),
        **{"changes": changes, **details},
    )
    message = encode(event)
    if message.id not in await bus.publish([message]):
        raise BusUnavailable(f"not every queue took the event {message.routing_key}")
    return event
