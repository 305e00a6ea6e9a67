"""Leases on the inbox: which rows may run now, found without looking at those that may not.

A receiver that keeps the order runs the first unfinished row of each subject. Those are
found by stepping from subject to subject through an index, so a million rows that are held
behind a parked one cost a single step. Subjects take turns.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from heliograph.database import Database, among, database_now, statement_for, unindexed
from heliograph.inbox.failures import with_failure
from heliograph.inbox.table import is_open
from heliograph.signals import QueuedReceiver
from heliograph.waiting import LEASE_S

_NO_REPORT = "no report from attempt "


class Claimed(NamedTuple):
    """A row that a worker may work on until its lease ends.

    `token` is the fencing token: it grows with every claim, so that a worker that comes
    back after its lease cannot finish what another has taken over.
    """

    id: int
    token: int
    attempts: int
    event_id: str
    subject: str | None
    headers: dict[str, object]
    body: bytes
    suspect: bool = False
    """The attempt before never reported back: it may have ended its process."""


def _due(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.state == "pending", table.c.due_at <= database_now())


def _still_pending(table: FromClause) -> ColumnElement[bool]:
    """Whether a row that is named by its id is still to be worked on."""
    return unindexed(table.c.state) == "pending"


def _has_reported(table: FromClause) -> ColumnElement[bool]:
    """Whether the last attempt said what it failed of; a claim clears that."""
    return and_(table.c.reason.is_not(None), ~table.c.reason.startswith(_NO_REPORT))


def waits_for_retry(table: FromClause) -> ColumnElement[bool]:
    """Whether a row has failed and no worker has it."""
    return and_(table.c.state == "pending", _has_reported(table))


def is_leased(table: FromClause) -> ColumnElement[bool]:
    """Whether a worker has a row, on a lease that has not ended."""
    return and_(
        table.c.state == "pending", table.c.due_at > database_now(), ~waits_for_retry(table)
    )


_RECEIVER = bindparam("for_receiver", type_=Text())
_BEHIND = bindparam("behind", type_=Text())
_LIMIT = bindparam("at_most", type_=Integer())
_ATTEMPTS = bindparam("most_attempts", type_=Integer())


class Taken(NamedTuple):
    """A row that was just leased, or parked for all its attempts."""

    id: int
    token: int
    attempts: int
    headers: bytes
    body: bytes
    state: str
    subject: str | None
    reason: str | None
    event_id: str


class Leases:
    """What leases rows and ends leases: statements built once, for that costs more than a run."""

    def __init__(self, database: Database, table: Table) -> None:
        self._is_sqlite = database.is_sqlite
        self._in_order = statement_for(database, _lease(table, _in_order(table)))
        self._heads = statement_for(database, _lease(table, _heads(table)))
        self._leased = _leased(table, arrays=not self._is_sqlite)
        self._done = statement_for(database, self._leased.values(**_done()))

    async def take(
        self, receiver: QueuedReceiver, behind: str, limit: int, attempts: int
    ) -> list[Taken]:
        """Lease up to `limit` due rows, at most one suspect among them; subjects in order.

        Of a receiver that keeps the order, only rows that are the first unfinished ones of
        subjects behind `behind`, and rows without a subject, which nothing holds up. A suspect
        that has had `attempts` is parked.
        """
        values: dict[str, object] = {
            _RECEIVER.key: receiver.name,
            _LIMIT.key: limit,
            _ATTEMPTS.key: attempts,
        }
        if receiver.ordered:
            leased = await self._heads.run(**values, **{_BEHIND.key: behind})
        else:
            leased = await self._in_order.run(**values)
        return sorted((Taken(*row) for row in leased), key=lambda row: row.subject or "")

    async def finish(
        self, rows: Sequence[Claimed], connection: AsyncConnection | None = None
    ) -> frozenset[int]:
        """Mark leased rows done, in the connection's transaction or in one of their own.

        Returns the ids of those that were still ours.
        """
        named = self._named(rows)
        done = self._done
        marked = await (done.run_in(connection, **named) if connection else done.run(**named))
        return frozenset(row[0] for row in marked)

    async def end(
        self, connection: AsyncConnection, rows: Sequence[Claimed], values: Mapping[str, object]
    ) -> frozenset[int]:
        """Set what becomes of leased rows; returns the ids of those that were still ours."""
        ended = await connection.execute(self._leased.values(**values), self._named(rows))
        return frozenset(ended.scalars())

    def _named(self, rows: Sequence[Claimed]) -> dict[str, object]:
        """The values that `_leased` names rows by."""
        if self._is_sqlite:
            return {"pairs": [(row.id, row.token) for row in rows]}
        return {"ids": [row.id for row in rows], "tokens": [row.token for row in rows]}


def _leased(table: Table, *, arrays: bool) -> ReturningUpdate[Any]:
    """Update those of the named rows that nobody else has taken over.

    With arrays it is the same statement for any number of rows, so that it is prepared once.
    """
    ours: ColumnElement[bool]
    if arrays:
        ids, tokens = (
            bindparam("ids", type_=ARRAY(BigInteger)),
            bindparam("tokens", type_=ARRAY(Integer)),
        )
        named = func.unnest(ids, tokens).table_valued("id", "token").render_derived()
        ours = and_(table.c.id == named.c.id, table.c.token == named.c.token)
    else:
        ours = tuple_(table.c.id, table.c.token).in_(bindparam("pairs", expanding=True))
    return update(table).where(ours, _still_pending(table)).returning(table.c.id)


def _done() -> dict[str, object]:
    """Done rows stay to know a second copy by; their payload need not."""
    return {
        "state": "done",
        "reason": None,
        "headers": b"{}",
        "body": b"",
        "finished_at": database_now(),
    }


def _in_order(table: Table) -> Select[Any]:
    """Ids of due rows, the oldest first, whatever their subjects."""
    return (
        select(table.c.id)
        .where(table.c.receiver == _RECEIVER, is_open(table), _due(table))
        .order_by(table.c.id)
        .limit(_LIMIT)
    )


def _heads(table: Table) -> CompoundSelect[Any]:
    """Ids of due rows that are the first unfinished ones of their subjects.

    Each step looks for a single row behind a subject, which only the index can give in order.
    """
    each = table.alias("each")

    def first_behind(subject: ColumnElement[str], found: ColumnElement[Any]) -> Any:
        return (
            select(found)
            .where(each.c.receiver == _RECEIVER, is_open(each), each.c.subject > subject)
            .order_by(each.c.subject, each.c.id)
            .limit(1)
        )

    walk = select(_BEHIND.label("subject")).cte("walk", recursive=True)
    following = first_behind(walk.c.subject, each.c.subject).correlate(walk).scalar_subquery()
    walk = walk.union_all(select(following).where(walk.c.subject.is_not(None)))
    head = first_behind(walk.c.subject, case((_due(each), each.c.id)))
    heads = select(head.correlate(walk).scalar_subquery().label("id")).select_from(walk).subquery()
    found = select(heads.c.id).where(heads.c.id.is_not(None)).limit(_LIMIT).subquery()
    loose = _in_order(table).where(table.c.subject.is_(None)).subquery()
    return select(found.c.id).union_all(select(loose.c.id))


def _lease(table: Table, candidates: Select[Any] | CompoundSelect[Any]) -> ReturningUpdate[Any]:
    """Lease the candidates that are still due."""
    suspect = and_(
        table.c.attempts > 0,
        or_(table.c.reason.is_(None), table.c.reason.startswith(_NO_REPORT)),
    )
    chosen = (
        select(table.c.id, suspect.label("suspect"))
        .where(
            among(table.c.id, candidates), _still_pending(table), table.c.due_at <= database_now()
        )
        .order_by(table.c.id)
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    first_suspect = select(func.min(chosen.c.id)).where(chosen.c.suspect).scalar_subquery()
    taken = select(chosen.c.id).where(or_(~chosen.c.suspect, chosen.c.id == first_suspect))
    exhausted = table.c.attempts >= _ATTEMPTS
    no_report = (
        literal(_NO_REPORT) + cast(table.c.attempts, Text) + ": its process or its lease ended"
    )
    return (
        update(table)
        .where(table.c.id.in_(taken))
        .values(
            attempts=case((exhausted, table.c.attempts), else_=table.c.attempts + 1),
            token=table.c.token + 1,
            state=case((exhausted, "parked"), else_="pending"),
            reason=case((suspect, no_report), (exhausted, table.c.reason), else_=None),
            # What is due is the end of its lease.
            failures=case(
                (suspect, with_failure(table, table.c.due_at, no_report)), else_=table.c.failures
            ),
            started_at=case((exhausted, table.c.started_at), else_=database_now()),
            due_at=database_now(LEASE_S),
        )
        .returning(
            table.c.id, table.c.token, table.c.attempts, table.c.headers, table.c.body,
            table.c.state, table.c.subject, table.c.reason, table.c.event_id,
        )
    )  # fmt: skip
