"""A service, wired from its settings: what all services have in common.

A subclass adds its tables, its API and its own parts; the programs (`serve`, `relay`,
`work`, `migrate`, …) are the same for each.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from prometheus_client import Info
from prometheus_client.registry import Collector
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp

from heliograph import __version__
from heliograph.bus import Bus, Topology
from heliograph.database import (
    Backlog,
    Bell,
    Database,
    NotifyBridge,
    Schema,
    Session,
    Signalling,
)
from heliograph.errors import BusUnavailable, MissingCollaborator
from heliograph.events import EventKind
from heliograph.http import Health, InboxMetrics, Metrics, plain_app
from heliograph.inbox import Consumer, Inbox, Worker
from heliograph.programs import Process, Programs
from heliograph.service.parts import Part
from heliograph.service.presence import Presence
from heliograph.service.pruner import Prunable, Pruner
from heliograph.settings import ServiceSettings
from heliograph.signals import Collaborators, event_kinds, queued_receivers

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from heliograph.database.migrations import Migrations
    from heliograph.tokens import Tokens

Role = Literal["api", "relay", "work"]
"""What a process does; `serve` does all of it."""


class Service(ABC):
    """One service in one process. Opening it connects to nothing; its parts do."""

    name: ClassVar[str]
    package: ClassVar[str]
    """Python package; its module `receivers` holds the receivers."""

    roles: ClassVar[tuple[Role, ...]] = ("api", "work")
    """What its processes can do; another role means nothing to it."""

    exchanges: ClassVar[tuple[str, ...]] = ()
    """Exchanges that the service announces on."""

    senders: ClassVar[tuple[type[Signalling], ...]] = ()
    """Models whose changes the service announces."""

    title: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[str] = __version__
    """Of the service, as its OpenAPI document has it; by default the library's."""

    migration_options: ClassVar[Mapping[str, Any]] = {}
    """For Alembic's `context.configure`."""

    crash_points: ClassVar[Mapping[str, str]] = {}
    """Points of the service's own code, as `heliograph.crash` describes them."""

    def __init__(self, settings: ServiceSettings, bus: Bus, inbox: Table, programs: Table) -> None:
        self.bus = bus
        self.metrics = Metrics()
        build = Info("heliograph_build", "What this program is.", registry=self.metrics.registry)
        build.info({"service": self.name, "version": self.version, "heliograph": __version__})
        self._settings = settings
        self.collaborators = Collaborators()
        self.database = Database(settings.database_url, collaborators=self.collaborators)
        import_module(f"{self.package}.receivers")
        self.receivers = queued_receivers.of(self.package)
        self.inbox = Inbox(
            self.database,
            inbox,
            Bell(f"{self.name}_inbox"),
            unordered=[each.name for each in self.receivers if not each.ordered],
        )
        self.bells = [self.inbox.bell]
        self.backlogs: list[Backlog] = [self.inbox.backlog]
        """Where the service's work waits, what begins it first."""
        self.programs = Programs(self.database, programs)
        self.pruned: list[Prunable] = [self.inbox, self.programs]
        self.announcers = dict.fromkeys(self.exchanges, bus.user) if bus.user else {}
        """By exchange, the broker's user who alone announces there; on one that is not named
        anybody does. On those of the service it is its own."""
        self.consumer = Consumer(self.name, self.receivers, self.inbox, bus, self.announcers)
        names = [each.name for each in self.receivers]
        self._inbox_metrics = InboxMetrics(self.metrics, self.inbox, names)
        self.worker = Worker(self.receivers, self.inbox, on_run=self._inbox_metrics.ran)
        directory = Path(next(iter(import_module(self.package).__path__)))
        self.schema = Schema(self.name, self.package, directory / "migrations" / "versions")
        self._metadata = inbox.metadata
        self._healths: dict[frozenset[Role], Health] = {}

    @cached_property
    def tokens(self) -> "Tokens":
        """The tokens that let callers in. Raises `InvalidSetting` if everybody knows the key."""
        from heliograph.tokens import Tokens

        return Tokens.of(self.name, self._settings)

    @classmethod
    def announces(cls) -> tuple[EventKind, ...]:
        """Every kind of event that the service announces."""
        return event_kinds(cls.name, cls.senders)

    @property
    def topology(self) -> Topology:
        """What `migrate` declares on the broker."""
        queues = tuple(each.queue(self.name) for each in self.receivers)
        return Topology(exchanges=self.exchanges, queues=queues)

    @property
    def migrations(self) -> "Migrations":
        """What brings the database to the newest schema."""
        from heliograph.database.migrations import Migrations

        return Migrations(self.schema, self._metadata, **self.migration_options)

    async def migrate(self) -> None:
        """Bring the database to the newest schema and declare what is needed on the broker."""
        await self.migrations.apply(self.database)
        await self.bus.declare(self.topology)

    async def check(self) -> None:
        """Raise if the schema is not current or a receiver asks for what nobody hands in."""
        self.check_collaborators()
        await self.schema.check(self.database)

    def check_collaborators(self) -> None:
        """Raise `MissingCollaborator` naming the first receiver that could not be called."""
        collaborators = self.receiver_collaborators()
        for receiver in self.receivers:
            for kind in receiver.needs:
                if kind not in collaborators:
                    raise MissingCollaborator(
                        f"{self.name}.{receiver.name} asks for a {kind.__name__}, "
                        "which nobody hands in"
                    )

    def receiver_collaborators(self) -> Collaborators:
        """What receivers may ask for: the service's collaborators and a session."""
        return Collaborators({AsyncSession: None, Session: None}, self.collaborators)

    @classmethod
    def asyncapi(cls) -> dict[str, Any]:
        """The AsyncAPI document: which events the service announces and hears."""
        from heliograph.asyncapi import document

        import_module(f"{cls.package}.receivers")
        return document(
            name=cls.name,
            title=cls.title,
            description=cls.description,
            version=cls.version,
            announced=cls.announces(),
            receivers=queued_receivers.of(cls.package),
        )

    @abstractmethod
    def routers(self) -> "Sequence[APIRouter]":
        """The service's REST API; asked for, and best imported, only where it is answered."""

    def parts(self, roles: Collection[Role]) -> list[Part]:
        """What runs in a process with these roles, besides its HTTP server."""
        if "work" in roles:
            self.bus.expect(self.topology)
        elif "relay" in roles:
            self.bus.expect(replace(self.topology, queues=()))
        process = Process(
            roles=[role for role in self.roles if role in roles], version=self.version
        )
        parts: list[Part] = [
            NotifyBridge(self.database, tuple(self.bells)),
            Presence(self.programs, process, self._health_of(roles)),
        ]
        if "work" in roles:
            parts += [self.consumer, self.worker, Pruner(*self.pruned)]
        return parts

    def measured(self, roles: Collection[Role]) -> list[Collector]:
        """What a process with these roles counts of its own doings.

        What waits in the database, and requests, all processes tell.
        """
        return [*self._inbox_metrics.of_worker] if "work" in roles else []

    def app(self, roles: Collection[Role]) -> ASGIApp:
        """What the process answers over HTTP: health and metrics, and the API in role `api`."""
        self.metrics.export(self.measured(roles))
        health = self._health_of(roles)
        return self.api(health) if "api" in roles else plain_app(health, self.metrics)

    def api(self, health: Health) -> "FastAPI":
        """The REST API, with health and metrics."""
        from heliograph.web import asyncapi_router, create_app, inbox_router, programs_router

        app = create_app(
            self.title,
            version=self.version,
            description=self.description,
            tokens=self.tokens,
            health=health,
            metrics=self.metrics,
            service=self,
        )
        shared = (
            inbox_router(self.name, self.inbox),
            programs_router(self.name, self.programs),
            asyncapi_router(self.asyncapi),
        )
        for router in (*self.routers(), *shared):
            app.include_router(router)
        return app

    def health(self, roles: Collection[Role]) -> Health:
        """What this process needs for its own job.

        An API needs its database and lives without the broker, for events wait in the
        outbox; a relay and a worker need both.
        """
        health = Health()
        health.add("database", self.database.check)
        health.add("bus", self.bus.check, required="api" not in roles)
        if {"relay", "work"}.intersection(roles):
            health.add("topology", self.bus.verify, required="api" not in roles)
        if "work" in roles:
            health.add("consumer", self._check_consumer, required="api" not in roles)
        return health

    def _health_of(self, roles: Collection[Role]) -> Health:
        """The one health of this process: probes are told of it, and who lists programs."""
        key = frozenset(roles)
        if key not in self._healths:
            self._healths[key] = self.health(roles)
        return self._healths[key]

    async def _check_consumer(self) -> None:
        for part in (self.consumer, self.worker):
            if part.trouble is not None:
                raise BusUnavailable(part.trouble)

    async def close(self) -> None:
        """Let go of the database; the bus belongs to whoever handed it in."""
        await self.database.close()
