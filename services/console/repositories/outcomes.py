"""What became of acts, so that the page that tells it can be loaded again and repeats nothing."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import delete, select

from heliograph.database import Session, database_now
from heliograph.events import new_id
from services.console.models import ActOutcome
from services.console.shelves.acts import Act, Outcome

KEPT = timedelta(days=1)

_TOLD = TypeAdapter(tuple[list[Outcome], list[UUID]])


class OutcomeRepository:
    """Outcomes, each for whoever acted."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def add(
        self, person: str, act: Act, outcomes: Sequence[Outcome], event_ids: Sequence[UUID]
    ) -> UUID:
        """Keep what became of an act, and of which events; return under which id."""
        told = _TOLD.dump_json((list(outcomes), list(event_ids))).decode()
        kept = ActOutcome(id=new_id(), person=person, act=act, told=told, at=database_now())
        self.session.add(kept)
        return kept.id

    async def get(self, person: str, id: UUID) -> tuple[str, list[Outcome], list[UUID]] | None:
        """The act, what became of it, and events that it was for.

        None if it is not this person's, or too long ago.
        """
        found = await self.session.scalar(
            select(ActOutcome).where(ActOutcome.id == id, ActOutcome.person == person)
        )
        return None if found is None else (found.act, *_TOLD.validate_json(found.told))

    async def prune(self) -> int:
        """Forget what is old; return how many."""
        gone = await self.session.scalars(
            delete(ActOutcome)
            .where(ActOutcome.at < database_now(-KEPT.total_seconds()))
            .returning(ActOutcome.id)
        )
        return len(gone.all())
