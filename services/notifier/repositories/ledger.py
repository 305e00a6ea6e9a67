"""The ledger: who is told what, as it is looked up and forgotten."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, select

from heliograph.database import Session, database_now
from services.notifier.emails.letter import message_id
from services.notifier.models import Letter, Notification, State

Order = Literal["oldest", "newest"]
"""Which rows come first."""


class LedgerRepository:
    """The notifications that were written, and the letters that went out for them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget what is settled and was told more than `kept` ago, among the `limit` oldest rows.

        What nobody was told counts from when it was noted. Returns how many rows that were.
        """
        session = self._session
        before = database_now(-kept.total_seconds())
        # Ids ascend in time: the oldest rows are found without an index of their own.
        oldest = select(Notification.id).order_by(Notification.id).limit(limit)
        told = (
            await session.scalars(
                delete(Notification)
                .where(
                    Notification.id.in_(oldest),
                    Notification.state != "pending",
                    func.coalesce(Notification.told_at, Notification.created_at) < before,
                )
                .returning(Notification.id)
            )
        ).all()
        return len(told)

    async def prune_letters(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` letters that were written more than `kept` ago; return how many."""
        old = (
            select(Letter.id)
            .where(Letter.created_at < database_now(-kept.total_seconds()))
            .order_by(Letter.created_at)
            .limit(limit)
        )
        gone = await self._session.scalars(
            delete(Letter).where(Letter.id.in_(old)).returning(Letter.id)
        )
        return len(gone.all())

    async def get(self, id: int) -> Notification | None:
        return await self._session.get(Notification, id)

    async def message_id(self, row: Notification) -> str | None:
        """Of the email of this row; None if there was no attempt to send one."""
        if row.letter_id is None:
            return None
        letters = select(Letter.domain).where(Letter.id == row.letter_id)
        domain = await self._session.scalar(letters)
        return domain and message_id(row.event_id, row.subscription_id, domain)

    async def list(
        self,
        *,
        limit: int,
        after: int,
        event_id: UUID | None,
        email: str | None,
        state: State | None,
        order: Order = "oldest",
    ) -> Sequence[Notification]:
        """List by id, beginning behind `after` in that order; behind 0 it begins with the first."""
        row = Notification.id
        query = select(Notification)
        if order == "oldest":
            query = query.where(row > after).order_by(row)
        else:
            query = (query.where(row < after) if after else query).order_by(row.desc())
        if event_id is not None:
            query = query.where(Notification.event_id == event_id)
        if email is not None:
            query = query.where(Notification.email == email)
        if state is not None:
            query = query.where(Notification.state == state)
        return (await self._session.scalars(query.limit(limit))).all()
