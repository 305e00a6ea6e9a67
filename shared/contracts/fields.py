"""What the fields of the contracts may hold.

Each is as loose as the catalog can ever make it, and no looser: what breaks it was written by
somebody else, and is refused before any receiver sees it. All but a price's decimals are checked
by pydantic's own engine; JSON Schema says the same.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from heliograph.text import LINE, TEXT

LARGEST_INTEGER = 2**31 - 1
"""What the databases' integers hold."""

MOST_CATEGORIES = 10_000
"""Of one product. The catalog's own limit is 100, but what stands in its database may be older."""
MOST_IMAGES = 10_000
"""As `MOST_CATEGORIES`."""

_AMOUNT = r"^[0-9]{1,15}(\.[0-9]{1,4})?$"
_AMOUNT_SCHEMA = {"type": "string", "pattern": _AMOUNT, "examples": ["14.99", "19.99"]}


class _Amount:
    """In JSON text in plain notation; an exponent makes a few characters a number of megabytes."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.str_schema(pattern=_AMOUNT)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema([text, core_schema.decimal_schema()]),
            python_schema=core_schema.decimal_schema(
                ge=Decimal(0), max_digits=19, decimal_places=4
            ),
        )


Price = Annotated[Decimal, _Amount(), WithJsonSchema(_AMOUNT_SCHEMA)]
"""An amount in the currency's major unit, not negative, with exactly the decimals that ISO 4217
gives the currency, at most 10^15 - 1 minor units; a string in JSON, so that no reader rounds it."""

Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
"""A code of ISO 4217. One that is not listed yet is taken, with up to 4 decimals."""

Link = Annotated[
    str,
    Field(
        max_length=4_096,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]",
        examples=["http://localhost:8000/lamp"],
    ),
]
"""An absolute URL that is safe to be followed."""

Sku = Annotated[str, Field(min_length=1, max_length=64, pattern=LINE, examples=["LAMP-1"])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE, examples=["Lamp"])]
Description = Annotated[
    str, Field(max_length=10_000, json_schema_extra={"pattern": TEXT}, examples=["Gives light."])
]
"""A pattern takes the longer, the longer a text is: who mails one takes its control characters."""
Alt = Annotated[
    str, Field(max_length=300, json_schema_extra={"pattern": LINE}, examples=["A lamp on a desk."])
]
Slug = Annotated[str, Field(max_length=100, pattern="^[a-z0-9]+(-[a-z0-9]+)*$", examples=["lamps"])]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1_024,
        json_schema_extra={"pattern": LINE},
        examples=["0b5e4f6c7d8e49a0b1c2d3e4f5061728.webp"],
    ),
]
"""Names a file; whoever deletes one looks at its form besides."""
MediaType = Annotated[str, Field(max_length=100, pattern="^[a-z]+/[a-z]", examples=["image/webp"])]
Viewer = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE, examples=["user-7"])]
"""The subject of a token."""

Version = Annotated[int, Field(ge=1, le=LARGEST_INTEGER, examples=[2])]
Size = Annotated[int, Field(ge=0, le=LARGEST_INTEGER, examples=[1_280])]
"""A count of pixels, bytes or places."""


class Part(BaseModel):
    """A frozen part of a snapshot."""

    model_config = ConfigDict(frozen=True, extra="ignore")
