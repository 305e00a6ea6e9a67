"""Wishes: what somebody wants to be told of, and how."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from services.notifier.models import Frequency, Request, Subscription, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to be told of.

    `target_minor` is in minor units of `currency`; both are None or neither.
    """

    email: str
    topic: Topic
    product_id: UUID | None = None
    target_minor: int | None = None
    currency: str | None = None

    @classmethod
    def of(cls, row: Subscription | Request) -> Self:
        """What somebody subscribed to, or asks for."""
        return cls(
            email=row.email,
            topic=row.topic,
            product_id=row.product_id,
            target_minor=row.target_minor,
            currency=row.currency,
        )

    @property
    def what(self) -> str:
        """The wish without the person."""
        target = f"{self.target_minor} {self.currency}" if self.currency else "any"
        return f"{self.topic} of {self.product_id or 'any'} at {target}"

    def __str__(self) -> str:
        return f"{self.what} for {self.email}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How somebody wants to be told; None for what they did not say."""

    frequency: Frequency | None = None
    locale: str | None = None
    time_zone: str | None = None


ANYHOW = Delivery()
"""Of somebody who said nothing of it."""
