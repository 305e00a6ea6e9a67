"""What people change themselves: their own subscriptions, which a link of theirs leads to."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from heliograph.database import Session
from services.notifier.models import Subscription
from services.notifier.repositories.people import PeopleRepository
from services.notifier.wishes import Wish


class PreferencesRepository:
    """The subscriptions of one person that have not ended."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def owner(self, token: str) -> str | None:
        """The address that the link of this token was sent to; None if there is no such link."""
        return await self._session.scalar(
            select(Subscription.email).where(Subscription.token == token)
        )

    async def of(self, email: str, *, to_change: bool = False) -> Sequence[Subscription]:
        """All of the person, the oldest first; locked if they are to be changed."""
        query = (
            select(Subscription)
            .where(Subscription.email == email, Subscription.wish.is_not(None))
            .order_by(Subscription.id)
        )
        if to_change:
            query = query.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(query)).all()

    async def end(self, email: str, ids: Collection[UUID]) -> None:
        """End those of these subscriptions that are the person's.

        Each until the person confirms the same wish again. What else there is in `ids` means
        nothing.
        """
        people = PeopleRepository(self._session)
        # What is refused is written ahead of subscriptions, as everywhere: nobody waits in a ring.
        for each in await self.of(email):
            if each.id in ids:
                await people.refuse(email, Wish.of(each))
        for each in await self.of(email, to_change=True):
            if each.id in ids:
                _end(each)
        await self._session.flush()

    async def end_all(self, email: str) -> None:
        """End all of the person's, until they confirm something again."""
        await PeopleRepository(self._session).refuse(email, "all")
        for each in await self.of(email, to_change=True):
            _end(each)


def _end(subscription: Subscription) -> None:
    subscription.wish = subscription.digest_at = None
