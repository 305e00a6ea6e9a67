"""Which products to list, and in which order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, exists, literal, literal_column, tuple_

import contracts
from heliograph.money import currencies
from services.catalog.errors import InvalidCursor
from services.catalog.models import Product, product_category
from services.catalog.repositories.cursors import read_cursor, write_cursor

FINEST = 4
"""Decimals of the currencies with the most of them."""


def amount_of(row: str) -> str:
    """Say in SQL, without parameters, what the amount of a row of `product` is.

    Amounts of different currencies compare by their number, whatever each is worth. An amount
    that the API takes stays below 10**16 here, far from the end of a 64-bit integer. An index
    has these very words: who changes them makes it anew.
    """
    cases = " ".join(
        f"WHEN {row}.currency IN ({', '.join(map(repr, currencies(places)))})"
        f" THEN {row}.price_minor * {10 ** (FINEST - places)}"
        for places in (0, 3, FINEST)
    )
    return f"(CASE {cases} ELSE {row}.price_minor * {10 ** (FINEST - 2)} END)"


Sort = Literal["created_at", "-created_at", "name", "-name", "price", "-price"]


@dataclass(frozen=True, slots=True)
class Listed:
    """The columns by which products are listed, of `product` or of what stands for it."""

    id: ColumnElement[UUID]
    created_at: ColumnElement[datetime]
    name: ColumnElement[str]
    amount: ColumnElement[int]

    def is_in(self, category: UUID) -> ColumnElement[bool]:
        """Whether the product stands in that category."""
        joined = product_category.c
        return exists().where(joined.product_id == self.id, joined.category_id == category)


AMOUNT: ColumnElement[int] = literal_column(amount_of("product"), BigInteger())

PRODUCT = Listed(
    Product.id.expression, Product.created_at.expression, Product.name.expression, AMOUNT
)


@dataclass(frozen=True, slots=True)
class _Key:
    """What products are sorted by, and how its value travels in a cursor."""

    column: Callable[[Listed], ColumnElement[Any]]
    kind: type
    write: Callable[[contracts.Product], str | int]
    read: Callable[[Any], Any]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a zone")
    return moment.astimezone(UTC)


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("a name has no NUL")
    return text


def _integer(number: int) -> int:
    if not 0 <= number < 2**63:
        raise ValueError("an amount fits a 64-bit integer")
    return number


_KEYS = {
    "created_at": _Key(
        attrgetter("created_at"), str, lambda each: each.created_at.isoformat(), _moment
    ),
    "name": _Key(attrgetter("name"), str, lambda each: each.name, _text),
    "price": _Key(attrgetter("amount"), int, lambda each: finest(each.price), _integer),
}


def finest(amount: Decimal) -> int:
    """Count an amount in the unit in which amounts of all currencies compare."""
    return int(amount.scaleb(FINEST))


@dataclass(frozen=True, slots=True)
class Listing:
    """A question for products; amounts are in the major unit of each product's currency.

    `after` is where the page before ended; it answers only for the `sort` it was given with.
    """

    sort: Sort = "-created_at"
    limit: int = 50
    after: str | None = None
    q: str | None = None
    category: UUID | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None

    def conditions(self, of: Listed = PRODUCT) -> list[ColumnElement[bool]]:
        """Which products are asked for, the words of `q` apart."""
        category = [] if self.category is None else [of.is_in(self.category)]
        return category + self.amounts(of)

    def amounts(self, of: Listed) -> list[ColumnElement[bool]]:
        """Between which amounts they are."""
        least = [] if self.min_price is None else [of.amount >= finest(self.min_price)]
        most = [] if self.max_price is None else [of.amount <= finest(self.max_price)]
        return least + most

    def paged(
        self, query: Select[Any], of: Listed = PRODUCT, most: int | None = None
    ) -> Select[Any]:
        """Take one page, and one product more: it tells whether there is a next page.

        Or take `most` products of those behind `after`. Raises `InvalidCursor`.
        """
        key, descending = self._key
        columns = (key.column(of), of.id)
        if self.after is not None:
            place = tuple_(*columns)
            end = tuple_(*self._end(key, self.after))
            query = query.where(place < end if descending else place > end)
        order = [each.desc() if descending else each.asc() for each in columns]
        return query.order_by(*order).limit(most or self.limit + 1)

    def cursor(self, last: contracts.Product) -> str:
        """Where a page ends whose last product this is."""
        key, _ = self._key
        return write_cursor(self.sort, key.write(last), str(last.id))

    @property
    def _key(self) -> tuple[_Key, bool]:
        return _KEYS[self.sort.removeprefix("-")], self.sort.startswith("-")

    def _end(self, key: _Key, cursor: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        sort, value, product_id = read_cursor(cursor, str, key.kind, str)
        if sort != self.sort:
            raise InvalidCursor
        try:
            end = (key.read(value), UUID(str(product_id)))
        except (ValueError, OverflowError) as error:
            raise InvalidCursor from error
        return literal(end[0], key.column(PRODUCT).type), literal(end[1], Product.id.type)
