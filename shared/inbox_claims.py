"""Claims on the inbox: which rows may run now, found without looking at those that may not.

A receiver that keeps the order runs the first unfinished row of each subject. Those are
found by stepping from subject to subject through an index, so a million rows that are held
behind a parked one cost a single step. Subjects take turns.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    Update,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    update,
)

from shared.remote import RemoteReceiver
from shared.types import database_now

LEASE_S = 25.0
"""How long a worker may be silent before its row goes to another."""

_NO_REPORT = "no report from attempt "


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that a worker may work on until its lease ends.

    `token` is the fencing token: it grows with every claim, so that a worker that comes
    back after its lease cannot finish what another has taken over.
    """

    id: int
    token: int
    attempts: int
    headers: dict[str, object]
    body: bytes
    suspect: bool = False
    """The attempt before never reported back: it may have ended its process."""


def is_open(table: FromClause) -> ColumnElement[bool]:
    """Whether a row still waits for somebody, a worker or an operator."""
    # Spelled with literals, so that the partial indexes match.
    return table.c.state.in_([literal_column("'pending'"), literal_column("'parked'")])


def _due(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.state == "pending", table.c.due_at <= database_now())


def in_order(table: Table, receiver: RemoteReceiver, limit: int) -> Select[Any]:
    """Ids of due rows, the oldest first, whatever their subjects."""
    return (
        select(table.c.id)
        .where(table.c.receiver == receiver.name, is_open(table), _due(table))
        .order_by(table.c.id)
        .limit(limit)
    )


def heads(
    table: Table, receiver: RemoteReceiver, behind: str, limit: int
) -> Select[Any] | CompoundSelect[Any]:
    """Ids of due rows that are the first unfinished ones of subjects behind `behind`.

    Rows without a subject, which nothing holds up, are among them.
    """
    first, following = table.alias("first"), table.alias("following")

    def next_head(subject: Any, *outer: FromClause) -> ScalarSelect[Any]:
        each = table.alias("each")
        return (
            select(each.c.id)
            .where(each.c.receiver == receiver.name, is_open(each), each.c.subject > subject)
            .order_by(each.c.subject, each.c.id)
            .limit(1)
            .correlate(*outer)
            .scalar_subquery()
        )

    def columns(alias: FromClause) -> Select[Any]:
        return select(alias.c.id, alias.c.subject, alias.c.state, alias.c.due_at)

    walk = columns(first).where(first.c.id == next_head(behind)).cte("walk", recursive=True)
    step = following.c.id == next_head(walk.c.subject, walk)
    walk = walk.union_all(columns(following).select_from(walk.join(following, step)))
    found = select(walk.c.id).where(_due(walk)).limit(limit).subquery()
    loose = in_order(table, receiver, limit).where(table.c.subject.is_(None)).subquery()
    return select(found.c.id).union_all(select(loose.c.id))


def lease(
    table: Table, candidates: Select[Any] | CompoundSelect[Any], limit: int, *, attempts: int
) -> Update:
    """Lease the candidates that are still due, at most one suspect among them.

    A suspect that has had `attempts` is parked.
    """
    suspect = and_(
        table.c.attempts > 0,
        or_(table.c.reason.is_(None), table.c.reason.startswith(_NO_REPORT)),
    )
    chosen = (
        select(table.c.id, suspect.label("suspect"))
        .where(table.c.id.in_(candidates), _due(table))
        .order_by(table.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    first_suspect = select(func.min(chosen.c.id)).where(chosen.c.suspect).scalar_subquery()
    taken = select(chosen.c.id).where(or_(~chosen.c.suspect, chosen.c.id == first_suspect))
    exhausted = table.c.attempts >= attempts
    no_report = f"{_NO_REPORT}{attempts}: its process or its lease ended"
    return (
        update(table)
        .where(table.c.id.in_(taken))
        .values(
            attempts=case((exhausted, table.c.attempts), else_=table.c.attempts + 1),
            token=table.c.token + 1,
            state=case((exhausted, "parked"), else_="pending"),
            reason=case((suspect, no_report), (exhausted, table.c.reason), else_=None),
            due_at=database_now(LEASE_S),
        )
        .returning(
            table.c.id, table.c.token, table.c.attempts, table.c.headers, table.c.body,
            table.c.state, table.c.subject, table.c.reason,
        )
    )  # fmt: skip
