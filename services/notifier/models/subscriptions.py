"""Who wants to be told of what, and who asked to."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from heliograph.money import from_minor
from services.notifier.models.base import Base, Frequency, Topic

_INSTANT = text("wish IS NOT NULL AND frequency = 'instant'")
_DIGEST = text("digest_at IS NOT NULL")


class Subscription(Base):
    """Somebody's wish to be told; it stays after its end, so that old links still answer."""

    __tablename__ = "subscription"
    __table_args__ = (
        # In the order in which what happened spreads to those who are told at once.
        Index(
            "ix_subscription_instant",
            "topic",
            "product_id",
            "id",
            postgresql_where=_INSTANT,
            sqlite_where=_INSTANT,
        ),
        # Whether what happened is to be in any digest.
        Index(
            "ix_subscription_digested",
            "topic",
            "product_id",
            postgresql_where=_DIGEST,
            sqlite_where=_DIGEST,
        ),
        # In the order in which digests are made, one person's side by side.
        Index(
            "ix_subscription_digest",
            "digest_at",
            "email",
            postgresql_where=_DIGEST,
            sqlite_where=_DIGEST,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(index=True)
    topic: Mapped[Topic]
    product_id: Mapped[UUID | None]
    """The only product of interest; None for all."""
    target_minor: Mapped[int | None] = mapped_column(BigInteger)
    """The price to be reached, in the currency's minor unit; None for any drop."""
    currency: Mapped[str | None]
    token: Mapped[str] = mapped_column(unique=True)
    """What the links in emails hold: whoever knows it may end the subscription, and sees all of
    this person's."""
    wish: Mapped[str | None] = mapped_column(unique=True)
    """What is wanted and by whom in one text, so that nobody has the same twice; None once it
    ended. How often and in which language is no part of it."""
    frequency: Mapped[Frequency] = mapped_column(server_default="instant")
    locale: Mapped[str | None]
    """A language tag (BCP 47); None for that of the service."""
    time_zone: Mapped[str | None]
    """A name of the IANA database; None for that of the service."""
    digest_at: Mapped[datetime | None]
    """When the next digest is due; None if there is to be none. Who is told at once from then on
    has a last one."""
    digested_until: Mapped[datetime | None]
    """What happened before is in an earlier digest, or was before the subscription."""
    created_at: Mapped[datetime]

    @property
    def target_price(self) -> Decimal | None:
        """In the currency's major unit."""
        return _price(self.target_minor, self.currency)

    @property
    def ended(self) -> bool:
        return self.wish is None


class Request(Base):
    """A wish that somebody uttered for an address, to be confirmed by whoever reads its mail."""

    __tablename__ = "request"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(index=True)
    topic: Mapped[Topic]
    product_id: Mapped[UUID | None]
    target_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]
    frequency: Mapped[Frequency]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    token_hash: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of the token in the link, in hexadecimal."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    confirmed_at: Mapped[datetime | None]

    @property
    def target_price(self) -> Decimal | None:
        """In the currency's major unit."""
        return _price(self.target_minor, self.currency)


def _price(minor: int | None, currency: str | None) -> Decimal | None:
    return None if minor is None or currency is None else from_minor(minor, currency)
