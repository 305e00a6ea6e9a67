"""What all tables have in common, and the words that stand in their columns."""

from datetime import datetime
from typing import Any, ClassVar, Literal, get_args
from uuid import UUID

from sqlalchemy import MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase

from heliograph.database import UtcDateTime

Topic = Literal["new_product", "price_drop"]
"""What one can subscribe to."""

Kind = Literal["new_product", "price_drop", "digest", "confirmation"]
"""What an email is about: a topic, several things at once, or a wish that is to be confirmed."""

Frequency = Literal["instant", "daily", "weekly"]
"""How often somebody is told: of each thing as it happens, or of all of them in a digest."""

FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)

State = Literal["pending", "sent", "failed", "cancelled"]
"""Where an email is: `cancelled` means that it was no longer wanted or no longer true."""


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
        Kind: Text,
        Frequency: Text,
        State: Text,
    }
