"""The public snapshots that events carry: what other services may rely on.

A snapshot is a frozen copy of a row at one moment. Fields are only ever added; a
change that breaks readers makes a contract of the next version. Readers ignore
fields that they do not know.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from inspect import getattr_static
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

    contract_version: ClassVar[int] = 1
    """Counts up with a change that breaks readers; the `v2` of an event's type."""

    before: ClassVar["type[Contract] | None"] = None
    """The contract of the version before this one, which `upcast` brings up.

    A later version than the first says what it is: None if events of that version are nowhere any
    more, neither sent nor stored.
    """

    @classmethod
    def upcast(cls, older: Any) -> Self:
        """Make a snapshot of this version of one of `before`'s: what receivers read of it."""
        raise NotImplementedError

    def downcast(self) -> "Contract":
        """Make a snapshot of `before`'s of this one, about the same subject.

        A contract that has this method is announced in both versions.
        """
        raise NotImplementedError

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        super().__pydantic_init_subclass__(**keywords)
        _check_version(cls)

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


@cache
def lineage(contract: type[Contract]) -> tuple[type[Contract], ...]:
    """List the contracts whose events are read as this one's: itself, and all before it."""
    return (contract, *(() if contract.before is None else lineage(contract.before)))


@cache
def announced_as(contract: type[Contract]) -> tuple[type[Contract], ...]:
    """List the contracts in which its events are announced: itself, and those that it tells."""
    if contract.before is None or _inherits(contract, "downcast"):
        return (contract,)
    return (contract, *announced_as(contract.before))


def _inherits(contract: type[Contract], method: str) -> bool:
    """Whether it has no method of its own between itself and the one before it."""
    found = getattr_static(contract, method)
    return any(
        found is getattr_static(each, method) for each in (Contract, contract.before) if each
    )


def _check_version(contract: type[Contract]) -> None:
    """Raise `TypeError` for a contract that does not follow on the one before it."""
    name, version, before = contract.__name__, contract.contract_version, contract.before
    if version < 1:
        raise TypeError(f"{name}: versions count from 1, and contract_version is {version}")
    if before is None:
        if "downcast" in vars(contract):
            raise TypeError(f"{name} has a `downcast`: say to which contract, as its `before`")
        ours = contract.__mro__[: contract.__mro__.index(Contract)]
        if version > 1 and not any("before" in vars(each) for each in ours):
            raise TypeError(
                f"{name} is version {version} and does not say how version {version - 1} is read: "
                "write `before =` its contract, and an `upcast`; or `before = None`, if events of "
                "it are neither sent nor stored any more"
            )
        return
    found = f"{before.__name__}, version {before.contract_version} of {before.sender_name}"
    if (before.contract_version, before.sender_name) != (version - 1, contract.sender_name):
        raise TypeError(
            f"{name} is version {version} of {contract.sender_name}, and its `before` is {found}: "
            f"it must be version {version - 1} of {contract.sender_name}"
        )
    if _inherits(contract, "upcast"):
        raise TypeError(
            f"{name} does not say how its `before` is read: write the class method "
            f"`upcast(cls, older: {before.__name__}) -> Self`"
        )
