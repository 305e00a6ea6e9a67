"""The console, wired from its settings."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from heliograph.bus import Bus
from heliograph.http import Health
from heliograph.service import Part, Retention, Role, Service
from services.console import models
from services.console.live import LiveEvents
from services.console.peers import Peers
from services.console.repositories.events import EventRepository
from services.console.repositories.outcomes import OutcomeRepository
from services.console.repositories.samples import SampleRepository
from services.console.repositories.sign_in import SignInRepository
from services.console.repositories.views import ViewRepository
from services.console.sampler import Sampler
from services.console.settings import ConsoleSettings

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI


class Console(Service):
    """Keeps what the catalog announces, asks the services for the rest, and shows it."""

    name: ClassVar[str] = "console"
    package: ClassVar[str] = "services.console"
    title: ClassVar[str] = "Heliograph console"
    description: ClassVar[str] = "The way of events, from a change to its effects."

    def __init__(self, settings: ConsoleSettings, bus: Bus, *, peers: Peers | None = None) -> None:
        super().__init__(settings, bus, models.inbox, models.programs)
        if settings.catalog_user:
            self.announcers["catalog.events"] = settings.catalog_user
        self.public_url = settings.public_url
        self.kept = timedelta(days=settings.events_kept_days)
        self.live = LiveEvents(self.database)
        self.peers = peers or Peers(settings.services)
        self.pruned += [
            Retention(self.database, forget)
            for forget in (
                lambda session, limit: EventRepository(session).prune(self.kept, limit),
                lambda session, limit: ViewRepository(session).prune(self.kept, limit),
                lambda session, limit: SampleRepository(session).prune(limit),
                lambda session, _limit: SignInRepository(session).prune(),
                lambda session, _limit: OutcomeRepository(session).prune(),
            )
        ]
        self.sampler = Sampler(self.database, self.peers, self.metrics)

    async def sign_in_link(self, subject: str, scope: str) -> str:
        """Make a link that signs the subject in once, within an hour.

        Raises `InvalidToken` for what could not be a subject.
        """
        from heliograph.tokens import checked_subject

        person = checked_subject(subject)
        async with self.database.transaction() as session:
            token = await SignInRepository(session).make_link(person, frozenset({scope}))
        return f"{self.public_url}/sign-in/{token}"

    def routers(self) -> "Sequence[APIRouter]":
        from services.console.api import routers

        return routers

    def api(self, health: Health) -> "FastAPI":
        from services.console.api import answer_errors_with_pages

        app = super().api(health)
        answer_errors_with_pages(app)
        return app

    def parts(self, roles: Collection[Role]) -> list[Part]:
        parts = super().parts(roles)
        if "work" in roles:
            parts.append(self.sampler)
        return parts

    async def close(self) -> None:
        await self.peers.close()
        await super().close()
