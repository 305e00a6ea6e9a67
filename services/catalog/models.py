"""The catalog's tables."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import contracts
from heliograph.database import Signalling, UtcDateTime
from heliograph.inbox import inbox_table
from heliograph.money import from_minor
from heliograph.outbox import outbox_table, relay_lease_table
from heliograph.programs import program_table

MOST_CATEGORIES = 100
"""In so many a product can stand."""


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can name it too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: UtcDateTime,
        UUID: Uuid,
    }


product_category = Table(
    "product_category",
    Base.metadata,
    Column("product_id", ForeignKey("product.id", ondelete="CASCADE"), primary_key=True),
    Column("category_id", ForeignKey("category.id"), primary_key=True),
    Index("ix_product_category_category_id", "category_id"),
)


class Product(Signalling, Base):
    """Something for sale. `version` counts the changes to it, its images and its categories."""

    __tablename__ = "product"
    __table_args__ = (
        Index("ix_product_created_at", "created_at", "id"),
        Index("ix_product_name", "name", "id"),
    )
    repository = "ProductRepository.save or .delete"
    contract = contracts.Product

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    """In the currency's minor unit."""
    currency: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    search_terms: Mapped[str] = mapped_column(server_default=text("''"), deferred=True)
    """What a search finds it by; the repository makes them of name, SKU and description."""

    images: Mapped[list["Image"]] = relationship(
        back_populates="product",
        order_by="(Image.position, Image.id)",
        # They are deleted by themselves, with their signals, before their product is.
        passive_deletes="all",
        lazy="raise",
    )
    categories: Mapped[list["Category"]] = relationship(
        secondary=product_category, order_by="Category.id", lazy="raise"
    )

    @property
    def price(self) -> Decimal:
        """In the currency's major unit."""
        return from_minor(self.price_minor, self.currency)


class Image(Signalling, Base):
    """A picture of a product; its files lie in the image store under `key` and the variants'."""

    __tablename__ = "image"
    repository = "ImageRepository.add, .change or .delete"
    contract = contracts.Image

    id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("product.id", ondelete="CASCADE"), index=True
    )
    key: Mapped[str] = mapped_column(unique=True)
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    variants: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """`[{name, key, width, height}]`."""
    position: Mapped[int]
    """Its place among the product's images: they ascend, with gaps where one was deleted."""
    alt: Mapped[str] = mapped_column(server_default=text("''"))
    """What the picture shows, for who cannot see it."""
    created_at: Mapped[datetime]

    product: Mapped[Product] = relationship(back_populates="images", lazy="raise")


class Category(Signalling, Base):
    """A shelf of the catalog; a product may stand on several."""

    __tablename__ = "category"
    repository = "CategoryRepository.save or .delete"
    contract = contracts.Category

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ImageIntent(Base):
    """Files that an upload is about to write: whatever becomes of it, they are found again."""

    __tablename__ = "image_intent"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    keys: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(index=True)


class ViewCount(Base):
    """How often a product was viewed; outlives the product, so without a foreign key."""

    __tablename__ = "view_count"

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    viewers: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """How many of them were somebody's first view, as far as was known then."""


class Viewer(Base):
    """Who viewed a product, how often, and when last."""

    __tablename__ = "viewer"
    __table_args__ = (Index("ix_viewer_viewer", "viewer", "product_id"),)

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    viewer: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    last_viewed_at: Mapped[datetime] = mapped_column(index=True)


class ViewDay(Base):
    """How often a product was viewed on a day, in UTC, and by how many that are known."""

    __tablename__ = "view_day"

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    viewers: Mapped[int] = mapped_column(BigInteger)


class ViewerDay(Base):
    """That somebody viewed a product on a day: of a few days alone, to count each viewer once.

    Begins with the day: what is added stands together, and so does what is forgotten.
    """

    __tablename__ = "viewer_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    viewer: Mapped[str] = mapped_column(primary_key=True)


class StoredAnswer(Base):
    """What was answered under an `Idempotency-Key`."""

    __tablename__ = "stored_answer"

    subject: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(JSON)
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)


class ImportProgress(Base):
    """How far the import of a file has come, by the SHA-256 of its bytes."""

    __tablename__ = "import_progress"

    digest: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    """The byte behind the last record that is done."""
    line: Mapped[int] = mapped_column(BigInteger)
    rejects_size: Mapped[int] = mapped_column(BigInteger)
    """Bytes of the file of rejects that belong to what is done."""
    tally: Mapped[dict[str, int]] = mapped_column(JSON)


outbox = outbox_table(Base.metadata)
relay_lease = relay_lease_table(Base.metadata)
inbox = inbox_table(Base.metadata)
programs = program_table(Base.metadata)
