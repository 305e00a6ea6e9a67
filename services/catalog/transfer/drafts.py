"""What a record makes of a product: all of a new one, of a known one the fields that it has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.catalog.drafts import NewProduct, ProductPatch, Sku
from services.catalog.errors import CatalogError
from services.catalog.models import Product
from services.catalog.slugs import SLUG
from services.catalog.transfer.records import Record

M = TypeVar("M", bound=BaseModel)

_SKU: TypeAdapter[str] = TypeAdapter(Sku)
_SLUGS: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[str], Field(max_length=100)])


class Rejected(CatalogError):
    """A record that cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A record whose fields are in order."""

    product: NewProduct | ProductPatch
    categories: Sequence[str] | None
    """Slugs; None if the product stays in those in which it is."""

    def fill(self, row: Product) -> None:
        """Write the columns that the record has; raise `InvalidPrice`."""
        if isinstance(self.product, NewProduct):
            self.product.fill(row)
        else:
            self.product.apply(row)


def sku_of(record: Record) -> str | None:
    """The SKU as it is kept, without white space around it; None if there is no valid one."""
    try:
        return _SKU.validate_python((record.data or {}).get("sku"))
    except ValidationError:
        return None


def draft(record: Record, *, is_known: bool) -> Draft:
    """Read a record as a merge patch (RFC 7396) of a known product, or as a new product.

    What is absent stays; null, like an empty cell, empties what can be empty. Raises `Rejected`.
    """
    if record.data is None:
        raise Rejected(record.reason)
    data = {name: value for name, value in record.data.items() if name != "id"}
    categories = _slugs(data)
    if is_known:
        return Draft(_checked(ProductPatch, data), categories)
    given = {name: value for name, value in data.items() if value is not None}
    return Draft(_checked(NewProduct, given), categories)


def _slugs(data: dict[str, Any]) -> Sequence[str] | None:
    """Take the categories out of the data."""
    if "categories" not in data:
        return None
    try:
        slugs = _SLUGS.validate_python(data.pop("categories") or [], strict=True)
    except ValidationError as error:
        raise Rejected("categories: must be a list of slugs, at most 100") from error
    for slug in slugs:
        # What is no slug may also be what a database cannot take.
        if not re.fullmatch(SLUG, slug):
            raise Rejected(f"categories: there is no category {slug}")
    return slugs


def _checked(model: type[M], data: dict[str, Any]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        told = ".".join(map(str, first["loc"])) or "a field's name"
        if first["type"] != "missing":
            raise Rejected(f"{told}: {first['msg']}") from error
        known = ", and no product has this SKU yet" if "sku" in data else ""
        raise Rejected(f"{told}: is missing{known}") from error
