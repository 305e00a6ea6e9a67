"""One event that was kept, and those around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import undefer

from heliograph.database import Session
from services.console.models import HeardEvent

NEAR = 250
"""Events of a subject, to either side, that are looked through: a change rarely has so many."""
MOST = 20
"""Events of a change, and of a request."""
NEIGHBOURS = 5
"""Events of the same subject before and after."""


@dataclass(frozen=True, slots=True)
class Kin:
    """The events around one, in their order; of each kind some."""

    change: Sequence[HeardEvent] = ()
    """Of the same change: one version of one subject."""
    request: Sequence[HeardEvent] = ()
    """Of other subjects, with the same trace."""
    before: Sequence[HeardEvent] = ()
    """Of the same subject, in earlier changes."""
    after: Sequence[HeardEvent] = ()
    more_of_change: bool = False
    more_of_request: bool = False


class KinRepository:
    """Events as they were kept."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def find(self, event_id: UUID) -> HeardEvent | None:
        """An event with its body; None if it is not kept."""
        found: HeardEvent | None = await self._session.scalar(
            select(HeardEvent)
            .where(HeardEvent.event_id == event_id)
            .options(undefer(HeardEvent.body))
        )
        return found

    async def around(self, event: HeardEvent) -> Kin:
        """The events of the same change, request and subject."""
        change, before, after = [], [], []
        mine = event.version
        for each in await self._near(event):
            if each.version == mine:
                change.append(each)
            elif each.version < mine:
                before.append(each)
            else:
                after.append(each)
        request = await self._of_request(event)
        return Kin(
            change=change[:MOST],
            request=request[:MOST],
            before=before[-NEIGHBOURS:],
            after=after[:NEIGHBOURS],
            more_of_change=len(change) > MOST,
            more_of_request=len(request) > MOST,
        )

    async def _near(self, event: HeardEvent) -> Sequence[HeardEvent]:
        """Events of the same subject in their order, which is not quite that of their ids."""
        of_subject = select(HeardEvent).where(HeardEvent.subject == event.subject).limit(NEAR)
        earlier = of_subject.where(HeardEvent.id < event.id).order_by(HeardEvent.id.desc())
        later = of_subject.where(HeardEvent.id > event.id).order_by(HeardEvent.id)
        found = [
            *(await self._session.scalars(earlier)),
            *(await self._session.scalars(later)),
        ]
        return sorted(found, key=lambda each: (each.sequence or "", each.id))

    async def _of_request(self, event: HeardEvent) -> Sequence[HeardEvent]:
        if event.trace is None:
            return []
        query = (
            select(HeardEvent)
            .where(HeardEvent.trace == event.trace, HeardEvent.subject != event.subject)
            .order_by(HeardEvent.id)
            .limit(MOST + 1)
        )
        return (await self._session.scalars(query)).all()
