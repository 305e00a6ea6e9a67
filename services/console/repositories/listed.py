"""Events as a list shows them, and which of them it is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BinaryExpression, ColumnElement, and_, func, or_

from services.console.models import HeardEvent

_LAST = chr(0x10FFFF)
"""Behind every character."""


@dataclass(frozen=True, slots=True, eq=False)
class ListedEvent:
    """An event without its body, which may be long."""

    id: int
    event_id: UUID
    sender: str
    signal: str
    subject: UUID
    sku: str | None
    name: str | None
    phrase: str
    actor: str | None
    origin: str | None
    trace: str | None
    committed_at: datetime


COLUMNS = tuple(getattr(HeardEvent, name) for name in ListedEvent.__dataclass_fields__)


class Way(NamedTuple):
    """Conditions by which events are found, by an index."""

    conditions: Sequence[ColumnElement[bool]]
    scattered: bool = False
    """Whether the index has them in another order than that of their ids."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events a list is to show; what is None lets all through.

    A list asks the database (`ways`); what comes while it is looked at is asked in the process
    (`let_through`). Both answer alike.
    """

    q: str | None = None
    """How a SKU or a name begins, whatever its case; or the id of an event, of what it is about,
    or of a trace."""
    product: UUID | None = None
    """Or the id of a category: what an event is about."""
    signal: str | None = None
    actor: str | None = None
    origin: str | None = None
    trace: str | None = None

    def ways(self) -> Iterator[Way]:
        """Conditions by each of which events are found; each way has an index."""
        always = self._exact()
        if self.q is None:
            yield Way(always)
            return
        begins = self.q.casefold()
        narrow, wide = self._narrow(), self._wide()
        for column in (HeardEvent.sought_sku, HeardEvent.sought_name):
            within = and_(column >= begins, column <= begins + _LAST)
            # Its index has the wide ones too. What looks like a calculation keeps SQLite from
            # theirs, where a third of all events may stand.
            beside = (func.coalesce(each.left, "") == each.right for each in wide)
            yield Way([*narrow, *beside, within], scattered=True)
        if (id_ := _uuid(self.q)) is not None:
            yield Way([*always, HeardEvent.event_id == id_])
            yield Way([*always, HeardEvent.subject == id_])
            yield Way([*always, HeardEvent.trace == id_.hex])

    def _exact(self) -> list[BinaryExpression[bool]]:
        return [*self._narrow(), *self._wide()]

    def _narrow(self) -> list[BinaryExpression[bool]]:
        """Conditions that few events meet."""
        return _equal({HeardEvent.subject: self.product, HeardEvent.trace: self.trace})

    def _wide(self) -> list[BinaryExpression[bool]]:
        """Conditions that many may meet."""
        return _equal(
            {
                HeardEvent.signal: self.signal,
                HeardEvent.actor: self.actor,
                HeardEvent.origin: self.origin,
            }
        )

    def begins(self) -> ColumnElement[bool] | None:
        """All conditions, where a beginning is searched for, for a walk from event to event.

        No index knows them; None where nothing but an index should be asked.
        """
        if self.q is None or _uuid(self.q) is not None:
            return None
        begins = self.q.casefold()
        texts = [
            func.coalesce(column, "") for column in (HeardEvent.sought_sku, HeardEvent.sought_name)
        ]
        found = or_(*(and_(each >= begins, each <= begins + _LAST) for each in texts))
        return and_(found, *self._exact())

    def let_through(self, event: ListedEvent) -> bool:
        """Whether the list shows this event."""
        exact: tuple[tuple[Any, Any], ...] = (
            (self.product, event.subject),
            (self.signal, event.signal),
            (self.actor, event.actor),
            (self.origin, event.origin),
            (self.trace, event.trace),
        )
        return all(asked is None or asked == found for asked, found in exact) and (
            self.q is None or _is_found(event, self.q)
        )


def _equal(wanted: Mapping[Any, object]) -> list[BinaryExpression[bool]]:
    return [column == value for column, value in wanted.items() if value is not None]


def _is_found(event: ListedEvent, q: str) -> bool:
    begins = q.casefold()
    if any(each and each.casefold().startswith(begins) for each in (event.sku, event.name)):
        return True
    id_ = _uuid(q)
    return id_ is not None and (id_ in (event.event_id, event.subject) or id_.hex == event.trace)


def _uuid(text: str) -> UUID | None:
    """A UUID in any of its spellings; the 32 digits of a trace are one too."""
    try:
        return UUID(text)
    except ValueError:
        return None
