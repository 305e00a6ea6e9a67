"""A service that announces: what stands between its signals and the bus."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar

from prometheus_client import Counter
from prometheus_client.registry import Collector
from sqlalchemy import Table

from heliograph.bus import Bus
from heliograph.database import Bell
from heliograph.errors import BusUnavailable, Misregistered
from heliograph.http import Health, OutboxMetrics
from heliograph.outbox import EventBuffer, Outbox, Relay, claims_for
from heliograph.service.parts import Part
from heliograph.service.service import Role, Service
from heliograph.settings import ServiceSettings
from heliograph.signals import MODEL_SIGNALS, Signal, announced_signals, check_collaborators

if TYPE_CHECKING:
    from fastapi import FastAPI


class AnnouncingService(Service):
    """A service whose events wait in an outbox until its relay has published them.

    It announces the built-in signals of its `senders`, and every signal that the imported modules
    have declared for one of them by the time it is made.
    """

    roles: ClassVar[tuple[Role, ...]] = ("api", "relay", "work")

    def __init__(
        self,
        settings: ServiceSettings,
        bus: Bus,
        inbox: Table,
        programs: Table,
        outbox: Table,
        relay_lease: Table,
    ) -> None:
        super().__init__(settings, bus, inbox, programs)
        self.outbox = Outbox(self.database, outbox, Bell(f"{self.name}_outbox"))
        self.bells.append(self.outbox.bell)
        self._outbox_metrics = metrics = OutboxMetrics(self.metrics, self.outbox, bus)
        self.relay = Relay(
            claims_for(self.database, outbox, relay_lease),
            bus,
            self.outbox.bell,
            on_published=metrics.published.inc,
            on_refused=metrics.refused.inc,
            on_failure=metrics.failed,
        )
        self.signals = announced_signals.of(self.name)
        """Its own, beside the built-in ones."""
        self._dropped = {
            name: Counter(
                f"{name}_dropped",
                f"Events `{name}` that were not announced as their buffer was full.",
                registry=None,
            )
            for name in {each.name for each in self.signals if each.buffered}
        }
        self.buffer = EventBuffer(
            self.database, self.outbox, on_dropped=lambda name: self._dropped[name].inc()
        )
        self.backlogs[:0] = [self.buffer, self.outbox.backlog]
        self._held = [(each, self._hold(each), self._model(each)) for each in self.signals]
        self.outbox.connect(MODEL_SIGNALS, self.senders)
        for signal, hold, model in self._held:
            signal.connect(hold, model, last=True)

    def _hold(self, signal: Signal[Any]) -> Callable[..., None]:
        return self.buffer.hold if signal.buffered else self.outbox.hold

    def _model(self, signal: Signal[Any]) -> type:
        name = signal.kind.contract.sender_name
        for model in self.senders:
            if model.contract.sender_name == name:
                return model
        raise Misregistered(
            f"{signal.name}: no model of the service {self.name} sends as {name}: give the model "
            "that does a contract of that sender_name, and list it among the senders"
        )

    def check_collaborators(self) -> None:
        super().check_collaborators()
        check_collaborators((*MODEL_SIGNALS, *self.signals), self.receiver_collaborators())

    def api(self, health: Health) -> "FastAPI":
        from heliograph.web import outbox_router

        app = super().api(health)
        app.include_router(outbox_router(self.name, self.outbox))
        return app

    def measured(self, roles: Collection[Role]) -> list[Collector]:
        measured = super().measured(roles)
        if {"api", "work"}.intersection(roles):
            measured += self._dropped.values()
        if "relay" in roles:
            measured += self._outbox_metrics.of_relay
        return measured

    def parts(self, roles: Collection[Role]) -> list[Part]:
        parts = super().parts(roles)
        if {"api", "work"}.intersection(roles):
            parts.append(self.buffer)
        if "relay" in roles:
            parts.append(self.relay)
        return parts

    def health(self, roles: Collection[Role]) -> Health:
        health = super().health(roles)
        if "relay" in roles:
            health.add("relay", self._check_relay, required="api" not in roles)
            # All others go on: whoever looks is told, and nobody is to restart the program.
            health.add("outbox", self.outbox.check, required=False)
        return health

    async def _check_relay(self) -> None:
        if self.relay.trouble is not None:
            raise BusUnavailable(self.relay.trouble)

    async def close(self) -> None:
        self.outbox.disconnect(MODEL_SIGNALS, self.senders)
        for signal, hold, model in self._held:
            signal.disconnect(hold, model)
        await super().close()
