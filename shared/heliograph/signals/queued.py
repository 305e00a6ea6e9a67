"""Receivers behind the bus: which there are, and what each listens to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from heliograph.bus import Binding, Queue
from heliograph.contract import lineage
from heliograph.errors import Malformed, Misregistered
from heliograph.events import EventKind, exchange, routing_key
from heliograph.signals.collaborators import needs


@dataclass(frozen=True, slots=True)
class QueuedReceiver:
    """A receiver with a queue, an inbox and retries of its own."""

    function: Callable[..., Any]
    listens: tuple[EventKind, ...]
    """What it hears, in the order of registration."""
    needs: tuple[type, ...]
    ordered: bool = True
    """False lets events of one subject run side by side and out of order."""
    batch: int | None = None
    """Most events handed over in one call; None for one by one."""

    @property
    def name(self) -> str:
        return self.function.__name__

    def kind(self, sender_name: str, signal: str) -> EventKind:
        """As what it reads such an event; `Malformed` if it does not hear any."""
        for kind in self.listens:
            if kind.signal == signal and kind.contract.sender_name == sender_name:
                return kind
        raise Malformed(f"{self.name} does not listen to {sender_name}.{signal}")

    def queue(self, service: str) -> Queue:
        """The queue that the receiver has in that service; it follows from the decorator."""
        return Queue(
            name=f"{service}.{self.name}",
            # The oldest version's first: where a later one comes, the older ones do.
            bindings=tuple(
                Binding(
                    exchange(each.sender_name),
                    routing_key(each.sender_name, kind.signal, each.contract_version),
                )
                for kind in self.listens
                for each in reversed(lineage(kind.contract))
            ),
        )


class QueuedReceivers:
    """The receivers behind the bus that the imported modules have registered."""

    def __init__(self) -> None:
        self._by_key: dict[object, QueuedReceiver] = {}

    def add(
        self,
        function: Callable[..., Any],
        kind: EventKind,
        *,
        key: object,
        ordered: bool,
        batch: int | None,
    ) -> None:
        known = self._by_key.get(key)
        if known is None:
            if batch is not None and batch < 1:
                raise Misregistered(f"{function.__qualname__}: batch must be at least 1")
            self._by_key[key] = QueuedReceiver(
                function, (kind,), needs(function), ordered=ordered, batch=batch
            )
        elif kind not in known.listens:
            sender = kind.contract
            for name, other, *_ in known.listens:
                if (name, other.sender_name) == (kind.signal, sender.sender_name):
                    raise Misregistered(
                        f"{function.__qualname__} listens to {name} of {sender.sender_name} "
                        f"twice, as {other.__name__} and as {sender.__name__}: name the newer "
                        "contract alone, which reads the older one's events by its `before`"
                    )
            self._by_key[key] = replace(known, listens=(*known.listens, kind))

    def remove(self, kind: EventKind, *, key: object) -> bool:
        known = self._by_key.get(key)
        if known is None or kind not in known.listens:
            return False
        left = tuple(each for each in known.listens if each != kind)
        if left:
            self._by_key[key] = replace(known, listens=left)
        else:
            del self._by_key[key]
        return True

    def __iter__(self) -> Iterator[QueuedReceiver]:
        return iter(tuple(self._by_key.values()))

    def of(self, package: str) -> tuple[QueuedReceiver, ...]:
        """Those that modules of `package` registered; their names are their queues' names."""
        found: dict[str, QueuedReceiver] = {}
        for each in self:
            module = each.function.__module__
            if module != package and not module.startswith(package + "."):
                continue
            if each.name in found:
                raise Misregistered(f"{package} has two receivers named {each.name}")
            found[each.name] = each
        return tuple(found.values())


queued_receivers = QueuedReceivers()
