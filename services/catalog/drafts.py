"""What a product shall become, as somebody says it: refused unless it can be kept as it is."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from heliograph.money import exponent, to_minor
from heliograph.payload import Payload
from heliograph.text import Line, Text
from services.catalog import models
from services.catalog.errors import InvalidPrice

_AMOUNT = r"[0-9]{1,12}(\.[0-9]{1,4})?"


def _amount(value: object) -> Decimal:
    # Only text in plain notation: a JSON number may have been rounded on its way, and an
    # exponent can make a few characters a number of a million digits.
    if not isinstance(value, str) or not re.fullmatch(_AMOUNT, value):
        raise PydanticCustomError(
            "amount", "Must be a decimal in a string, with at most 12 digits and 4 decimals"
        )
    return Decimal(value)


def _currency(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("currency", "Must be a code of ISO 4217")
    try:
        exponent(value)
    except ValueError:
        raise PydanticCustomError("currency", "Must be a code of ISO 4217") from None
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema({"type": "string", "pattern": f"^{_AMOUNT}$", "examples": ["19.99"]}),
]
"""An amount of money in the currency's major unit, not negative."""

Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}),
]
"""A currency of ISO 4217, in capitals."""

Sku = Annotated[str, Line(64)]
Name = Annotated[str, Line(200)]
Description = Annotated[str, Text(10_000)]
CategoryIds = Annotated[list[UUID], Field(max_length=models.MOST_CATEGORIES)]


class NewProduct(Payload):
    """A product to be created; the price has at most the decimals of its currency."""

    sku: Sku
    name: Name
    description: Description = ""
    price: Amount
    currency: Currency
    categories: CategoryIds = Field(default_factory=list)

    def fill(self, product: models.Product) -> None:
        """Write the columns of a new row; raise `InvalidPrice`."""
        product.sku = self.sku
        product.name = self.name
        product.description = self.description
        product.currency = self.currency
        product.price_minor = _minor(self.price, self.currency, "price")


def absent() -> Any:
    """The default of a field that may be absent but not null: never read, nor in the schema."""


class ProductPatch(Payload):
    """A JSON merge patch (RFC 7396): what is absent stays, null empties what can be empty."""

    sku: Sku = Field(default_factory=absent)
    name: Name = Field(default_factory=absent)
    description: Description | None = Field(default_factory=absent)
    price: Amount = Field(default_factory=absent)
    currency: Currency = Field(default_factory=absent)
    categories: CategoryIds | None = Field(default_factory=absent)

    def apply(self, product: models.Product) -> None:
        """Write the given columns of the row; raise `InvalidPrice`."""
        given = self.model_fields_set
        if "sku" in given:
            product.sku = self.sku
        if "name" in given:
            product.name = self.name
        if "description" in given:
            product.description = self.description or ""
        if given & {"price", "currency"}:
            currency = self.currency if "currency" in given else product.currency
            if "price" in given:
                minor = _minor(self.price, currency, "price")
            else:
                # 20.00 EUR can become 20 JPY: zeros at the end are no decimals that matter.
                minor = _minor(product.price.normalize(), currency, "currency")
            product.price_minor, product.currency = minor, currency

    @property
    def new_categories(self) -> list[UUID] | None:
        """In which categories the product shall stand; None if they stay as they are."""
        return (self.categories or []) if "categories" in self.model_fields_set else None


def _minor(amount: Decimal, currency: str, field: Literal["price", "currency"]) -> int:
    try:
        return to_minor(amount, currency)
    except ValueError as error:
        raise InvalidPrice(str(error), field) from error
