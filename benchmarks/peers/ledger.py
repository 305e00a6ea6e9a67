"""What every receiver with a session writes: one row an event, and that it saw the event.

Only SQLAlchemy is needed, so that a peer's process loads nothing of ours.
"""

from decimal import Decimal

from sqlalchemy import Text, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The receiver's tables."""


class PriceSeen(Base):
    """A product's price, as an event told it."""

    __tablename__ = "price_seen"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal]


class SeenEvent(Base):
    """An event whose work is committed; ours has its inbox for that."""

    __tablename__ = "seen_event"

    event_id: Mapped[str] = mapped_column(Text, primary_key=True)


FIRST_SIGHT = (
    insert(SeenEvent)
    .values(event_id=bindparam("event_id"))
    .on_conflict_do_nothing()
    .returning(SeenEvent.event_id)
)
"""Notes `event_id`; gives no row if that was done before."""
