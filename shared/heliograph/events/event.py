"""Events: what receivers are given."""

import dataclasses
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import typing_extensions
import uuid_utils.compat as uuid_utils

from heliograph.contract import Changes, Contract

T = TypeVar("T")
D = typing_extensions.TypeVar("D", default=None)


def new_id() -> UUID:
    """Make a UUIDv7: unique without asking anybody, and ascending in time."""
    return uuid_utils.uuid7()


@dataclasses.dataclass(slots=True, kw_only=True)
class Event(Generic[T, D]):
    """One thing that happens or happened to an instance of `sender`.

    In the process (`sender` from `models`) `instance` is the live row, and receivers of
    `pre_save` may alter it; `original` is always a frozen snapshot. Behind the bus
    (`sender` from `contracts`) both are frozen snapshots. `Event[Product, Restocked]` is of a
    signal that carries data, `Event[Product]` of one that does not.
    """

    sender: type[T]
    instance: T
    signal: str = ""
    """Name of the signal; `Signal.send` fills it in."""
    data: D = None  # type: ignore[assignment]  # it is None where D is
    """What the signal carries besides the instance; None if it carries nothing."""
    original: Any = None
    """Snapshot of the instance before the change; None where there is no before."""
    changes: Changes | None = None
    """What differs between `original` and the instance; None where there is no before."""
    created: bool | None = None
    update_fields: tuple[str, ...] | None = None
    origin: str | None = None
    """`"batch"`, `"import"`, or None for a single write."""
    actor: str | None = None
    """Subject of the token with which the change was made."""
    cascade: str | None = None
    """Of a deletion: the sender with whose deletion the instance went; None if by itself."""
    action: str | None = None
    """m2m_changed only: `pre_add`, `post_add`, `pre_remove`, … `post_clear`."""
    field: str | None = None
    """m2m_changed only: the relation's name."""
    pk_set: frozenset[UUID] | None = None
    """m2m_changed only: the ids added or removed; None for clear."""
    reverse: bool | None = None
    """m2m_changed only: whether the change was made from the relation's other side."""
    model: type[Any] | str | None = None
    """m2m_changed only: what `pk_set` has the ids of. In the process a class, behind the bus its
    `sender_name`, or None if the sender's contract does not say it."""
    exception: BaseException | None = None
    """got_request_exception only: what the request failed with."""
    id: UUID = dataclasses.field(default_factory=new_id)
    """The same in every version in which the event is announced, and brought up."""
    time: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))
    version: int | None = None
    """The subject's version that this change makes; None for signals without an order."""
    sequence: str | None = None
    """`%012d.%04d` of the subject's version and the place within that change; sorts as text."""
    traceparent: str | None = None
    snapshot: Contract | None = None
    """In the process: the public copy of `instance` that goes out on the bus."""
    body: bytes | None = dataclasses.field(default=None, repr=False, compare=False)
    """Behind the bus: the message's body as it came, for who keeps it; None in the process."""
    content: bytes | None = dataclasses.field(default=None, repr=False, compare=False)
    """What the body says behind sender and signal, once `follow_up` or `encode` wrote it."""
