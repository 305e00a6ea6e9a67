"""What is remembered of people: what they left, and whose address fails.

A person stands here by a hash of the address, so that it can be forgotten and still not be
written to.
"""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from heliograph.database import BigId
from services.notifier.models.base import Base


class Refusal(Base):
    """What somebody does not want to be told, until they ask for it themselves."""

    __tablename__ = "refusal"

    person: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    """`all`, a topic, or one wish."""
    created_at: Mapped[datetime]


class Suppression(Base):
    """An address that is not written to, and why."""

    __tablename__ = "suppression"

    person: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    """None once the person was forgotten."""
    reason: Mapped[str]
    """`bounced`, `complained` or `forgotten`."""
    detail: Mapped[str | None]
    created_at: Mapped[datetime]


class Bounce(Base):
    """What a mail server, or a person by theirs, said against an email of ours."""

    __tablename__ = "bounce"
    __table_args__ = (UniqueConstraint("message_id", "kind"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    """`hard`, `soft` or `complaint`."""
    message_id: Mapped[str]
    detail: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Attempts(Base):
    """How many public requests came from one client, or for one address, in a while."""

    __tablename__ = "attempts"

    who: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    count: Mapped[int]
