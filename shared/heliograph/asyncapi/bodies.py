"""What the bodies of events hold, as models of which the schemas are made.

`heliograph.events` writes and reads bodies without these; tests hold that it writes what they say.
"""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model
from typing_extensions import TypeAliasType

from heliograph.contract import Contract
from heliograph.events import MOST_FIELDS, EventKind, FieldNames, Word

S = TypeVar("S", bound=Contract)
D = TypeVar("D", bound=BaseModel)

RELATION = "m2m_changed"

Origin = TypeAliasType(
    "Origin",
    Annotated[
        Word | None,
        Field(
            title="Origin",
            description="What made the change; null for a single write. A later release may know "
            "others than these.",
            examples=[None, "batch", "import"],
        ),
    ],
)
Action = TypeAliasType(
    "Action",
    Annotated[
        Word,
        Field(
            title="Action",
            description="What happens or happened to the relation. A later release may know "
            "others than these.",
            examples=[
                "post_add",
                "pre_add",
                "pre_remove",
                "post_remove",
                "pre_clear",
                "post_clear",
            ],
        ),
    ],
)

Actor = Annotated[
    Word | None,
    Field(description="Subject of the token with which it was done.", examples=["user-7"]),
]


class Change(BaseModel):
    """One field before and after, in its JSON form."""

    from_: Any = Field(alias="from")
    to: Any


_Changes = Annotated[dict[Word, Change], Field(max_length=MOST_FIELDS)]
Changes = TypeAliasType(
    "Changes",
    Annotated[
        _Changes | None,
        Field(
            title="Changes",
            description="What differs between `original` and `instance`, by field; null where "
            "there is no before.",
        ),
    ],
)


# Not by its format: of a list of UUIDs and no single one, Modelina's Java lacks the import.
_Id = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        examples=["019a0000-0000-7000-8000-000000000001"],
    ),
]
_Ids = Annotated[frozenset[_Id], Field(max_length=10_000)]


class Named(BaseModel):
    """What every body begins with."""

    sender: str
    signal: str


class Body(Named, Generic[S]):
    """The data of an event about a row."""

    created: bool | None = Field(description="Of a save: whether the row is new.")
    instance: S
    original: S | None = Field(description="The row before; null where there is no before.")
    changes: Changes
    update_fields: FieldNames | None = Field(description="The names of the fields that changed.")
    origin: Origin
    cascade: Word | None = Field(
        description="Of a deletion: the sender with whose deletion the instance went, as an image "
        "goes with its product; null if it was deleted by itself.",
        examples=[None, "catalog.product"],
    )
    actor: Actor


class RelationBody(Body[S], Generic[S]):
    """The data of an event about a relation of a row."""

    action: Action
    field: Word = Field(description="The relation's name.", examples=["categories"])
    pk_set: _Ids | None = Field(description="The ids added or removed; null for clear.")
    reverse: bool = Field(description="Whether the change was made from the relation's other side.")
    model: Word | None = Field(
        description="The other side's sender: what `pk_set` has the ids of.",
        examples=["catalog.category"],
    )


class DataBody(Body[S], Generic[S, D]):
    """The data of an event of a signal that carries data of its own."""

    data: D


class Flat(BaseModel):
    """What stands beside the fields of a flat contract."""

    model_config = ConfigDict(frozen=True)

    actor: Actor


def title(kind: EventKind) -> str:
    """The name of its body in programs: `ProductPostSave`, `ProductPostSaveV2`."""
    version = kind.contract.contract_version
    noun = kind.contract.sender_name.partition(".")[2]
    return camel(f"{noun}_{kind.signal}") + ("" if version == 1 else f"V{version}")


def camel(name: str) -> str:
    """Write words that are joined by points and underscores as the name of a class."""
    words = name.replace(".", "_").split("_")
    return "".join(word[:1].upper() + word[1:] for word in words)


def body(kind: EventKind) -> type[BaseModel]:
    """The model of the body of its events."""
    base: tuple[type[BaseModel], ...]
    sender: Any = kind.contract
    if sender.flat:
        base = (Flat, sender, Named)
    elif kind.signal == RELATION:
        base = (RelationBody[sender],)
    elif kind.data is not None:
        base = (DataBody[sender, kind.data],)  # type: ignore[name-defined]
    else:
        base = (Body[sender],)
    return create_model(
        title(kind),
        __base__=base,
        __doc__=f"The body of an event `{kind.key}`.",
        sender=(str, Field(json_schema_extra={"const": sender.sender_name})),
        signal=(str, Field(json_schema_extra={"const": kind.signal})),
    )
