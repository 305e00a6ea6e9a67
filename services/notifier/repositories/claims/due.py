"""What a claim finds: emails that a worker may send until its lease ends."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notifier.emails.letter import Addressee, Letter, message_id
from services.notifier.sending.evidence import Waiting


class Due(NamedTuple):
    """An email that a worker may send until its lease ends.

    `token` is the fencing token: it grows with every claim, so that a worker that comes back
    after its lease cannot overwrite what another has recorded.
    """

    id: int
    token: int
    attempts: int
    """Those before this one."""
    event_id: UUID
    """What it tells of."""
    subscription_id: UUID
    product_id: UUID | None
    """None if it tells of several."""
    letter: Letter
    addressee: Addressee
    again: bool
    """Whether an earlier attempt may have come through: it goes out as it was."""
    tells_others: bool
    """Whether other rows may be told by it."""

    @classmethod
    def of(
        cls,
        row: Waiting,
        letter: Letter,
        addressee: Addressee,
        *,
        again: bool = False,
        tells_others: bool = True,
    ) -> "Due":
        """The email of a row that this claim leases."""
        token = row.token + 1
        return cls(
            row.id, token, row.attempts, row.event_id, row.subscription_id, row.product_id,
            letter, addressee, again, tells_others,
        )  # fmt: skip


@dataclass(slots=True)
class Claimed:
    """What a claim found."""

    emails: list[Due] = field(default_factory=list)
    settled: Counter[str] = field(default_factory=Counter)
    """How many rows came to their end without an email, by state."""
    looked_at: int = 0
    """How many rows were due."""


def addressee_of(row: Waiting, letter: Letter, date: datetime, link: str | None) -> Addressee:
    """What the email of a row has for itself; `link` is the token in its links."""
    confirms = row.topic == "confirmation"
    return Addressee(
        recipient=row.email,
        message_id=message_id(row.event_id, row.subscription_id, letter.domain),
        date=date,
        token=None if confirms else link,
        secret=link if confirms else None,
    )
