"""Outgoing emails: the notifications that mail workers share among them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    Float,
    Table,
    Text,
    and_,
    bindparam,
    case,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    update,
)

from heliograph.crash import crash_point
from heliograph.database import Database, TableBacklog, database_now, statement_for, unindexed
from heliograph.text import printable
from heliograph.waiting import LEASE_S
from services.notifier.models import Notification, State
from services.notifier.repositories.bounces import BounceRepository
from services.notifier.repositories.claims import Due

GIVE_UP_S = 24 * 3600.0
"""After the first attempt: an email that still cannot be sent then has failed."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of an email; one that is `pending` is to be tried again in `delay` seconds."""

    email: Due
    state: State
    reason: str | None = None
    delay: float = 0.0
    uncertain: bool = False
    """Whether the mail server may have taken it all the same."""
    answer: str | None = None
    """What the mail server said as it took the email."""
    hard: bool = False
    """Whether the mail server said that there is no such recipient."""


# The table, because the ORM's own UPDATE costs as much again as the database's.
_table = cast("Table", Notification.__table__)
_columns = _table.c
# Spelled with a literal, so that the partial indexes match whatever the plan.
_pending = _columns.state == literal_column("'pending'")
_still_pending = unindexed(_columns.state) == "pending"
"""Of a row that is named by its id."""

_new_state = bindparam("new_state", type_=Text())
_reason = bindparam("new_reason", type_=Text())
_keeps = bindparam("keeps", type_=Boolean())
_too_old = and_(_new_state == "pending", _columns.tried_at < database_now(-GIVE_UP_S))
# What surely did not come through told nobody anything, and may be written anew.
_may_have_come = or_(_new_state == "sent", _keeps)
_RECORD = (
    update(_table)
    .where(
        _columns.id == bindparam("mine"),
        _columns.token == bindparam("my_token"),
        _still_pending,
    )
    .values(
        state=case((_too_old, "failed"), else_=_new_state),
        attempts=_columns.attempts + 1,
        reason=_reason,
        answer=bindparam("new_answer", type_=Text()),
        due_at=database_now(bindparam("delay", type_=Float())),
        letter_id=case((or_(_may_have_come, _new_state == "failed"), _columns.letter_id)),
        told_at=case((_may_have_come, _columns.told_at)),
        sent_at=case((_new_state == "sent", database_now())),
        secret=case((_new_state == "pending", _columns.secret)),
    )
)


class MailBacklog(TableBacklog):
    """The emails that are yet to be sent."""

    async def hasten(self, by: timedelta) -> None:
        """Let time pass: for what waits, whatever for, and since people were told."""
        waits = and_(_pending, _columns.letter_id.is_(None))
        moments = [_columns[name] for name in ("due_at", "told_at", "created_at")]
        async with self._database.transaction() as session:
            query = select(_columns.id, *moments).where(
                or_(waits, and_(~_pending, _columns.told_at.is_not(None)))
            )
            rows = (await session.execute(query.with_for_update())).all()
            if rows:
                connection = await session.connection()
                await connection.execute(
                    update(_table)
                    .where(_columns.id == bindparam("mine"))
                    .values(
                        {
                            each.name: bindparam(f"new_{each.name}", type_=each.type)
                            for each in moments
                        }
                    ),
                    [
                        {"mine": id_}
                        | {
                            f"new_{each.name}": moment and moment - by
                            for each, moment in zip(moments, then, strict=True)
                        }
                        for id_, *then in rows
                    ],
                )


class Outgoing:
    """The emails of one service that are being sent; each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._record = statement_for(database, _RECORD)
        self.backlog = MailBacklog(
            database,
            _table,
            unfinished=_pending,
            what="an email about " + _columns.topic + " to " + _columns.email,
            state=_columns.state,
            reason=_columns.reason,
        )

    async def renew(self, emails: Collection[Due]) -> set[int]:
        """Begin the leases anew; returns the ids of the emails that are still ours."""
        return await self._lease(emails, due_at=database_now(LEASE_S))

    async def hand_back(self, emails: Collection[Due]) -> None:
        """Let others send these at once, and look at them again: nothing of them was sent."""
        await self._lease([each for each in emails if each.again], due_at=database_now())
        await self._lease(
            [each for each in emails if not each.again],
            due_at=database_now(),
            letter_id=null(),
            told_at=null(),
            tried_at=case((_columns.attempts > 0, _columns.tried_at)),
        )

    async def record(self, outcomes: Collection[Outcome]) -> None:
        """Write down what became of emails, but for those that another worker has taken over.

        Counts the attempts. An email to be tried again that was first tried more than
        `GIVE_UP_S` ago has failed. What is told by an email shares its fate.
        """
        alone = [each for each in outcomes if not (each.email.tells_others or each.hard)]
        if alone:
            await self._record.run_each([_values(each) for each in alone])
        for each in outcomes:
            if each not in alone:
                await self._record_with_consequences(each)

    async def _record_with_consequences(self, outcome: Outcome) -> None:
        lead = outcome.email.id
        async with self._database.transaction() as session:
            connection = await session.connection()
            ours = await connection.execute(_RECORD.returning(_columns.state), _values(outcome))
            state = ours.scalar()
            if state is None or state == "pending":
                return
            if outcome.hard:
                addressee = outcome.email.addressee
                await BounceRepository(session).record(
                    email=addressee.recipient,
                    kind="hard",
                    message_id=addressee.message_id,
                    detail=outcome.reason,
                )
            crash_point("mail.between_records")
            await connection.execute(
                update(_table)
                .where(_columns.told_by == lead, _pending)
                .values(
                    state=state,
                    reason=None if state == "sent" else _line(outcome.reason),
                    sent_at=database_now() if state == "sent" else None,
                )
            )

    async def _lease(self, emails: Collection[Due], **values: Any) -> set[int]:
        if not emails:
            return set()
        mine = [(each.id, each.token) for each in emails]
        async with self._database.statement() as connection:
            ours = await connection.execute(
                update(_table)
                .where(tuple_(_columns.id, _columns.token).in_(mine), _still_pending)
                .values(**values)
                .returning(_columns.id)
            )
            return set(ours.scalars())


def _values(outcome: Outcome) -> dict[str, Any]:
    return {
        "mine": outcome.email.id,
        "my_token": outcome.email.token,
        "new_state": outcome.state,
        "new_reason": _line(outcome.reason),
        "new_answer": _line(outcome.answer),
        "delay": outcome.delay,
        "keeps": outcome.uncertain or outcome.email.again,
    }


def _line(text: str | None) -> str | None:
    return None if text is None else printable(text, 500)
