"""What an event's body says besides its snapshots, and how much of it there may be."""

from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from heliograph.contract import Contract
from heliograph.text import LINE

C = TypeVar("C", bound=Contract)
D = TypeVar("D", bound=BaseModel)

Word = Annotated[str, Field(max_length=200, pattern=LINE)]
"""A name of ours or of somebody else's: of a field, an origin, an action, a caller, a sender."""

MOST_FIELDS = 1_000

FieldNames = Annotated[tuple[Word, ...], Field(max_length=MOST_FIELDS, fail_fast=True)]
Ids = Annotated[frozenset[UUID], Field(max_length=10_000, fail_fast=True)]
FieldChanges = Annotated[dict[Word, dict[str, Any]], Field(max_length=MOST_FIELDS)]


class Details(BaseModel):
    """What the data says besides the snapshots.

    Later releases may know other origins and actions: any word is taken.
    """

    changes: FieldChanges | None = None
    created: bool | None = None
    update_fields: FieldNames | None = None
    origin: Word | None = None
    actor: Word | None = None
    cascade: Word | None = None
    action: Word | None = None
    field: Word | None = None
    pk_set: Ids | None = None
    reverse: bool | None = None
    model: Word | None = None


class Data(Details, Generic[C]):
    """The data of an event with snapshots."""

    instance: C
    original: C | None = None


class Carrying(Data[C], Generic[C, D]):
    """The data of an event whose signal carries something besides."""

    data: D
