"""What services tell of an event; more than is named here may stand in their answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Word = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
"""A state or a topic."""

MOST_FAILURES = 8
"""Failures that a service keeps of an event and a receiver."""


class Part(BaseModel):
    """What a service tells of one event."""

    model_config = ConfigDict(frozen=True)

    service: str = ""
    """Who told it."""
    event_id: UUID | None = None
    """Of which event it was asked."""


class Failure(BaseModel):
    """An attempt that failed."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    reason: str


class Receiver(Part):
    """What a receiver did with the event."""

    receiver: str
    state: Word
    attempts: int
    accepted_at: AwareDatetime
    started_at: AwareDatetime | None = None
    """When its last attempt began."""
    finished_at: AwareDatetime | None = None
    reason: str | None = None
    failures: tuple[Failure, ...] = ()
    """The last `MOST_FAILURES`."""
    parked_id: int | None = None
    """Of the row, if it is parked and was found."""

    @property
    def last_failed_at(self) -> datetime | None:
        return max((each.at for each in self.failures), default=None)

    @property
    def is_at_work(self) -> bool:
        """Whether an attempt has begun and not ended."""
        if self.state != "pending" or self.started_at is None:
            return False
        return self.last_failed_at is None or self.last_failed_at < self.started_at

    @property
    def failures_before_redrive(self) -> int:
        """How many of `failures` are of attempts that `attempts` no longer counts."""
        reasons = (None, *(each.reason for each in self.failures[-1:]))
        # One that was handed back or postponed has another reason, and is not counted either.
        unfailed = self.state == "done" or (self.is_at_work and self.reason in reasons)
        return max(0, len(self.failures) - max(0, self.attempts - unfailed))

    @property
    def keeps_last_failures(self) -> bool:
        """Whether there may have been earlier failures than those that are kept."""
        return len(self.failures) >= MOST_FAILURES


class Email(Part):
    """What one person is told of the event by email."""

    id: int
    email: str
    topic: Word
    state: Word
    attempts: int
    reason: str | None = None
    told_by: int | None = None
    """The row whose email tells this too."""
    waits_until: AwareDatetime | None = None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None = None
    message_id: str | None = None
    answer: str | None = None
    """What the mail server said as it took the email."""
    missing: str | None = None
    """Why `message_id` and `answer` are not known; None if they are as the service has them."""

    @property
    def was_tried(self) -> bool:
        """Whether a mail server may know of it."""
        return self.attempts > 0 or self.sent_at is not None or self.told_by is not None


class Inbox(BaseModel):
    """What the receivers of a service did with the event."""

    receivers: Sequence[Receiver]


class Ledger(BaseModel):
    """A page of emails, the oldest first."""

    items: Sequence[Email]


class ParkedRow(BaseModel):
    """An event that is set aside, in an inbox or an outbox."""

    model_config = ConfigDict(frozen=True)

    id: int
    event_id: str
    receiver: str | None = None
    """None in an outbox."""
    reason: str
    service: str = ""


class ParkedPage(BaseModel):
    """A page of events that are set aside; `next` is the next page's `after`."""

    items: Sequence[ParkedRow]
    next: int | None = None
