"""The notifier's tables."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, MetaData, Text, UniqueConstraint, Uuid, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from heliograph.database import BigId, UtcDateTime
from heliograph.inbox import inbox_table
from heliograph.money import from_minor

Topic = Literal["new_product", "price_drop"]
"""What one can subscribe to."""

State = Literal["pending", "sent", "failed", "cancelled"]
"""Where an email is: `cancelled` means that its subscription ended before it was sent."""


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can name it too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: UtcDateTime,
        UUID: Uuid,
        Topic: Text,
        State: Text,
    }


class Subscription(Base):
    """Somebody's wish to be told; it stays after its end, so that old links still answer."""

    __tablename__ = "subscription"
    __table_args__ = (Index("ix_subscription_topic_product_id", "topic", "product_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(index=True)
    topic: Mapped[Topic]
    product_id: Mapped[UUID | None]
    """The only product of interest; None for all."""
    target_minor: Mapped[int | None] = mapped_column(BigInteger)
    """The price to be reached, in the currency's minor unit; None for any drop."""
    currency: Mapped[str | None]
    token: Mapped[str] = mapped_column(unique=True)
    """What the unsubscribe link holds: whoever knows it may end the subscription."""
    wish: Mapped[str | None] = mapped_column(unique=True)
    """All of the above in one text, so that nobody has the same twice; None once it ended."""
    created_at: Mapped[datetime]

    @property
    def target_price(self) -> Decimal | None:
        """In the currency's major unit."""
        if self.target_minor is None or self.currency is None:
            return None
        return from_minor(self.target_minor, self.currency)


class Occasion(Base):
    """What happened: the content that all emails about one event share."""

    __tablename__ = "occasion"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[Topic]
    product: Mapped[str]
    """The product's snapshot as JSON."""
    old_price: Mapped[str | None]
    """In the currency's major unit; the new one is in the snapshot."""


class Notification(Base):
    """One email to one recipient about one event, and what became of it."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("event_id", "email"),
        Index(
            "ix_notification_due",
            "due_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("occasion.event_id"))
    subscription_id: Mapped[UUID]
    """Without a foreign key: the ledger outlives the subscription."""
    email: Mapped[str] = mapped_column(index=True)
    topic: Mapped[Topic]
    state: Mapped[State] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Those whose outcome is known."""
    token: Mapped[int] = mapped_column(server_default="0")
    """The fencing token: grows with every claim."""
    due_at: Mapped[datetime]
    """When it may be claimed next; while it is claimed, the end of the lease."""
    reason: Mapped[str | None]
    """Why the last attempt failed."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


inbox = inbox_table(Base.metadata)
