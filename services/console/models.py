"""The console's tables: what it has heard, and who is signed in."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Date, Index, LargeBinary, MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from heliograph.database import BigId, UtcDateTime
from heliograph.inbox import inbox_table
from heliograph.programs import program_table

_BY_CODE_POINT = Text().with_variant(Text(collation="C"), "postgresql")
"""A text whose order is that of its code points, whatever the database's language."""


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
        bytes: LargeBinary,
        date: Date,
        datetime: UtcDateTime,
        UUID: Uuid,
    }


class HeardEvent(Base):
    """An event of the catalog, as it came; all but `viewed`, which is counted.

    `id` ascends as events are heard, which is about the order in which they left; of two that are
    heard at once the higher may be committed first.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("event_subject", "subject", "id"),
        # With what may be asked along: many begin alike, and each would be read for the rest.
        Index("event_sku", "sought_sku", "id", "signal", "actor", "origin"),
        Index("event_name", "sought_name", "id", "signal", "actor", "origin"),
        Index("event_signal", "signal", "id"),
        Index("event_actor", "actor", "id"),
        Index("event_origin", "origin", "id"),
        Index("event_trace", "trace", "id"),
        Index("event_heard", "heard_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    sender: Mapped[str]
    """As `catalog.product`."""
    signal: Mapped[str]
    subject: Mapped[UUID]
    sku: Mapped[str | None]
    name: Mapped[str | None]
    """Of what it is about, as a person calls it; an image goes by the SKU and name of its product,
    as last heard."""
    sought_sku: Mapped[str | None] = mapped_column(_BY_CODE_POINT)
    """Case folded, as `sought_name`: what begins with some words is found by an index."""
    sought_name: Mapped[str | None] = mapped_column(_BY_CODE_POINT)
    sequence: Mapped[str | None]
    """As `ce-subjectsequence`: events of one change have all before the point in common."""
    phrase: Mapped[str]
    """What changed, in a few words."""
    actor: Mapped[str | None]
    origin: Mapped[str | None]
    trace: Mapped[str | None]
    """The trace id of W3C Trace Context, 32 hexadecimal digits."""
    committed_at: Mapped[datetime]
    """As `ce-time`."""
    heard_at: Mapped[datetime]
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes of the body."""
    body: Mapped[bytes] = mapped_column(deferred=True)

    @property
    def version(self) -> str:
        """Of its subject: what the events of one change have in common; empty if not told."""
        return (self.sequence or "").partition(".")[0]


class ViewedHour(Base):
    """How often a product was viewed within an hour, in UTC; nothing tells by whom."""

    __tablename__ = "viewed_hour"
    __table_args__ = (Index("viewed_hour_hour", "hour"),)

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class SignInLink(Base):
    """A link that signs in once; `hash` is the SHA-256 of its token."""

    __tablename__ = "sign_in_link"

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    person: Mapped[str]
    """The subject of whom it signs in."""
    scopes: Mapped[str]
    """As in a token, separated by blanks."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    """Tells whoever follows it again that somebody has; None until it is used."""


class BrowserSession(Base):
    """A browser that is signed in; `hash` is the SHA-256 of what its cookie holds."""

    __tablename__ = "browser_session"

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    csrf: Mapped[str]
    """The token that every form of the session carries."""
    person: Mapped[str]
    scopes: Mapped[str]
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ActOutcome(Base):
    """What became of something that somebody did on a page."""

    __tablename__ = "act_outcome"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[str]
    act: Mapped[str]
    told: Mapped[str]
    """As JSON; see `services.console.shelves.acts`."""
    at: Mapped[datetime] = mapped_column(index=True)


class Sample(Base):
    """A figure of a service at a moment, for the charts of the last hour."""

    __tablename__ = "sample"

    service: Mapped[str] = mapped_column(primary_key=True)
    figure: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    value: Mapped[float]


inbox = inbox_table(Base.metadata)
programs = program_table(Base.metadata)
