"""The emails: the ledger of who is told what, and the letters that they share."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from heliograph.database import BigId
from services.notifier.models.base import Base, Kind, State, Topic

_DUE = text("state = 'pending' AND told_by IS NULL")
_WAITING = text("state = 'pending'")
_MERGED = text("state = 'pending' AND told_by IS NOT NULL")
_TOLD = text("told_at IS NOT NULL")


class Notification(Base):
    """One thing that one person is to be told by email, and what became of it.

    The email of one row may tell of others: they are told by it, and share its fate. While an
    attempt is under way, and after one whose outcome is uncertain, a row has its letter: it is
    sent again as it was, or not at all.
    """

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("event_id", "email", "topic"),
        Index("ix_notification_due", "due_at", "id", postgresql_where=_DUE, sqlite_where=_DUE),
        Index(
            "ix_notification_waiting",
            "email",
            "product_id",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        Index(
            "ix_notification_told_by",
            "told_by",
            postgresql_where=_MERGED,
            sqlite_where=_MERGED,
        ),
        Index(
            "ix_notification_told",
            "email",
            "told_at",
            postgresql_where=_TOLD,
            sqlite_where=_TOLD,
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[UUID]
    """Of what happened; of a digest or a request its own id, and of a target that was met when
    somebody subscribed the subscription's."""
    subscription_id: Mapped[UUID]
    """Without a foreign key: the ledger outlives the subscription. A confirmation has its
    request's id."""
    email: Mapped[str] = mapped_column(index=True)
    topic: Mapped[Kind]
    product_id: Mapped[UUID | None]
    currency: Mapped[str | None]
    old_minor: Mapped[int | None] = mapped_column(BigInteger)
    """The price before the drop; None where there is none to tell, as for a target that was met
    when somebody subscribed."""
    secret: Mapped[str | None]
    """Of a confirmation: the token of its link, until the email is settled."""
    state: Mapped[State] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Those whose outcome is known."""
    token: Mapped[int] = mapped_column(server_default="0")
    """The fencing token: grows with every claim."""
    due_at: Mapped[datetime]
    """When it may be claimed next; while it is claimed, the end of the lease."""
    told_by: Mapped[int | None] = mapped_column(BigId)
    """The row whose email tells this too."""
    letter_id: Mapped[UUID | None]
    """What is being sent, was sent, or may have been."""
    told_at: Mapped[datetime | None]
    """When the attempt with that letter was claimed: the email's Date."""
    told_minor: Mapped[int | None] = mapped_column(BigInteger)
    """The price that the letter tells."""
    told_currency: Mapped[str | None]
    tried_at: Mapped[datetime | None]
    """When the first attempt was claimed."""
    reason: Mapped[str | None]
    """Why the last attempt failed, what it waits for, or why it was cancelled."""
    answer: Mapped[str | None]
    """What the mail server said as it took the email."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    @property
    def waits_until(self) -> datetime | None:
        """When it is looked at again; None if that is settled, or it is being sent."""
        return self.due_at if self.state == "pending" and self.letter_id is None else None


class Letter(Base):
    """What all emails that say the same share, as it was written out."""

    __tablename__ = "letter"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    head: Mapped[str]
    """From and Subject, as they go out."""
    text: Mapped[str]
    html: Mapped[str]
    public_url: Mapped[str]
    """What the links to unsubscribe and to the preferences begin with."""
    domain: Mapped[str]
    """Behind the @ of each Message-ID."""
    created_at: Mapped[datetime] = mapped_column(index=True)


class Digest(Base):
    """What one or more digests tell of: the same for all who have the same wishes."""

    __tablename__ = "digest"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    facts: Mapped[str]
    """As JSON; see `services.notifier.digests`."""
    created_at: Mapped[datetime] = mapped_column(index=True)


class Spread(Base):
    """Something that more people are to be told than one transaction may write rows for."""

    __tablename__ = "spread"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[UUID]
    topic: Mapped[Topic]
    product_id: Mapped[UUID]
    currency: Mapped[str]
    old_minor: Mapped[int | None] = mapped_column(BigInteger)
    new_minor: Mapped[int | None] = mapped_column(BigInteger)
    for_all: Mapped[bool]
    """Whether it has come to those who watch all products, behind those who watch this one."""
    behind: Mapped[UUID]
    """The last subscription that a row was written for."""
    until: Mapped[UUID]
    """The last that is told: whoever subscribed later has a greater id, for ids ascend in time."""
