"""The ledgers of emails, and what a service knows of the people whom it writes to."""

from collections.abc import Sequence
from urllib.parse import quote
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.console.peers import Peer

PAGE = 50
STATES = ("pending", "sent", "failed", "cancelled")


class LedgerRow(BaseModel):
    """What somebody is to be told by email, and what became of it."""

    model_config = ConfigDict(frozen=True)

    id: int
    event_id: UUID
    subscription_id: UUID
    email: str
    topic: str
    state: str
    attempts: int
    reason: str | None
    product_id: UUID | None
    told_by: int | None
    waits_until: AwareDatetime | None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None

    @property
    def is_of_an_event(self) -> bool:
        """Whether an event of the catalog is behind it: a digest and a confirmation have none."""
        return self.topic not in ("digest", "confirmation")


class LedgerRowInFull(LedgerRow):
    """With what the mail servers know of its email."""

    message_id: str | None
    answer: str | None


class LedgerPage(BaseModel):
    """Rows, the newest first; `next` is what the next page is behind."""

    items: Sequence[LedgerRow]
    next: int | None


class EmailContent(BaseModel):
    """An email as its recipient reads it; `sent` is false if it would be so now."""

    subject: str
    text: str
    html: str
    sent: bool


class Subscription(BaseModel):
    """What somebody wishes to be told, or did until it `ended`."""

    topic: str
    product_id: UUID | None
    target_price: str | None
    currency: str | None
    frequency: str
    digest_at: AwareDatetime | None
    created_at: AwareDatetime
    ended: bool


class Request(BaseModel):
    """A wish that somebody uttered, and confirmed or not."""

    topic: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    confirmed_at: AwareDatetime | None


class Refusal(BaseModel):
    """What somebody ended: `all`, a topic, or one wish."""

    scope: str
    created_at: AwareDatetime


class Suppression(BaseModel):
    """Why nothing is sent to an address."""

    reason: str
    detail: str | None
    created_at: AwareDatetime


class Person(BaseModel):
    """What a service knows of somebody."""

    subscriptions: Sequence[Subscription]
    requests: Sequence[Request]
    refusals: Sequence[Refusal]
    suppression: Suppression | None
    bounces: dict[str, int]


async def read_ledger(peer: Peer, **filters: str | int | None) -> LedgerPage:
    """Read a page; raise `PeerError`, with status 404 if the service has no ledger."""
    return await peer.get_as(LedgerPage, "/v1/notifications", order="newest", limit=PAGE, **filters)


async def read_row(peer: Peer, id: int) -> LedgerRowInFull:
    """Read one row; raise `PeerError`, with status 404 if there is none."""
    return await peer.get_as(LedgerRowInFull, f"/v1/notifications/{id}")


async def read_content(peer: Peer, id: int) -> EmailContent:
    """Read an email; raise `PeerError`, with status 404 if nothing was sent, nor will be."""
    return await peer.get_as(EmailContent, f"/v1/notifications/{id}/content")


async def read_person(peer: Peer, email: str) -> Person:
    """What is known of an address; raise `PeerError`, with status 404 if nothing is."""
    return await peer.get_as(Person, f"/v1/people/{quote(email, safe='@')}")
