"""The public snapshots that events carry: what other services may rely on.

A snapshot is a frozen copy of a row at one moment. Fields are only ever added; a
change that breaks readers gets a new version of the event type. Readers ignore
fields that they do not know.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)


@lru_cache(maxsize=128)  # one moment stands in every row and event of a transaction
def rfc3339(value: datetime) -> str:
    """Format a moment as RFC 3339 in UTC: `2026-01-31T09:30:00.000000Z`."""
    in_utc = value.astimezone(UTC).isoformat(timespec="microseconds")
    return in_utc.removesuffix("+00:00") + "Z"


# A day from the ends of the calendar: beyond them a moment of another zone has no UTC.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)

Instant = Annotated[
    AwareDatetime,
    Field(ge=EARLIEST, le=LATEST),
    PlainSerializer(rfc3339, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment, aware of its zone; RFC 3339 UTC in JSON."""

_BOOKKEEPING = frozenset({"version", "updated_at"})


class Contract(BaseModel):
    """A frozen public snapshot.

    Its fields say what they hold by constraints that pydantic checks without Python (`Field`,
    patterns), for each event is read twice. No number of it is NaN or infinite.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    sender_name: ClassVar[str]
    """Names the sender on the bus: `<service>.<noun>`."""

    flat: ClassVar[bool] = False
    """True if the fields stand in the event's body itself, not under `instance`."""

    relations: ClassVar[Mapping[str, str] | None] = None
    """By name, the many-to-many relations of its rows, each with its other side's `sender_name`.

    None where that is the owner's to know, as in a contract to read another team's events with.
    """

    @property
    def subject(self) -> UUID:
        """The id of what the event is about; events of one subject keep their order."""
        raise NotImplementedError

    def changes_to(self, other: Self) -> "Changes":
        """What differs from this snapshot to `other`, by field, in their JSON form.

        The bookkeeping fields `version` and `updated_at` do not count as a change.
        """
        changed = {
            name
            for name in type(self).model_fields
            if name not in _BOOKKEEPING and getattr(self, name) != getattr(other, name)
        }
        if not changed:
            return {}
        before = self.model_dump(mode="json", include=changed)
        after = other.model_dump(mode="json", include=changed)
        return {name: {"from": before[name], "to": after[name]} for name in before}


Changes = dict[str, dict[str, Any]]
"""`{field: {"from": before, "to": after}}`, values in their JSON form."""
