"""What the notifier has heard of the catalog's products."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from heliograph.database import BigId
from services.notifier.models.base import Base, Topic


class Product(Base):
    """A product as the newest of its events showed it; one that is gone stays, for late events."""

    __tablename__ = "product"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[str]
    """Of that event; what sorts before it is old news."""
    event_id: Mapped[UUID]
    gone: Mapped[bool]
    currency: Mapped[str]
    price_minor: Mapped[int | None] = mapped_column(BigInteger)
    """None if ISO 4217 does not list the currency, so that nobody knows its minor unit."""
    snapshot: Mapped[str]
    """The product's snapshot as JSON."""
    heard_at: Mapped[datetime] = mapped_column(index=True)


class ProductPrice(Base):
    """The last price that a product had in one currency, kept by whoever hears of its drops.

    By the order of events of the receiver that emails drops, which others may be ahead of.
    """

    __tablename__ = "product_price"

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    minor: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[str]


class Occasion(Base):
    """Something that happened which digests are to tell of."""

    __tablename__ = "occasion"
    __table_args__ = (
        UniqueConstraint("event_id", "topic"),
        Index("ix_occasion_topic", "topic", "happened_at"),
        Index("ix_occasion_product_id", "product_id", "happened_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[UUID]
    topic: Mapped[Topic]
    product_id: Mapped[UUID]
    currency: Mapped[str]
    old_minor: Mapped[int | None] = mapped_column(BigInteger)
    """The price before a drop; None for a new product."""
    new_minor: Mapped[int | None] = mapped_column(BigInteger)
    happened_at: Mapped[datetime] = mapped_column(index=True)
    """By the database's clock, as it was heard."""
