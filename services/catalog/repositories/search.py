"""Full-text search: products that have all words of a question, the last one begun.

Both databases are given terms that are folded already, by `terms` for the products and here
for the question, so that neither has a parser of its own say what a word is. What finds a
product by its terms is made by the migrations, as no model can describe it for both: an index
of an expression on PostgreSQL, a table of FTS5 on SQLite.

If a filter leaves few products, each of these is looked at. Else a page is looked for among the
first products in its order, of whom few have a rare word but many a common one; if they do not
fill it, all that have the words are sorted. SQLite reads what it sorts and filters by from a
narrow table, which has the numbers of FTS5's rows.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    Uuid,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from heliograph.database import Session, UtcDateTime
from services.catalog.models import Product, product_category
from services.catalog.repositories.listing import AMOUNT, PRODUCT, Listed, Listing
from services.catalog.repositories.terms import LONGEST, is_unspaced, pairs, words

TSVECTOR = "array_to_tsvector(string_to_array(product.search_terms, ' '))"
"""What PostgreSQL has indexed; a condition must say it in the same words."""

FEW = 3_000
"""So many products are looked at one by one."""

FIRST = 40
"""So many products are looked at first for each of the page."""

NAMED = 20
"""So many words of the index are named that begin like the last one of a question."""

LAST = chr(sys.maxunicode)
"""Sorts behind all that words are made of."""

_FTS = table("product_search", column("rowid", BigInteger), column("product_search", Text))
_WORD = table("product_search_vocabulary", column("term", Text)).c.term
_KEY = table(
    "product_search_key",
    column("id", BigInteger),
    column("product_id", Uuid),
    column("created_at", UtcDateTime),
    column("name", Text),
    column("amount", BigInteger),
    column("categories", Text),
)


class Term(NamedTuple):
    """What a product must have among its terms; `begun`, one that begins like it is enough."""

    text: str
    begun: bool


class _Keyed(Listed):
    """What SQLite keeps beside the numbers of its products."""

    def is_in(self, category: UUID) -> ColumnElement[bool]:
        return func.instr(_KEY.c.categories, category.hex) > 0


class _Fenced(Listed):
    """What PostgreSQL searches, where a category is read once.

    PostgreSQL keeps a plan for whatever words, which it takes for rare: it would ask of each
    product that has them whether it stands in the category.
    """

    def is_in(self, category: UUID) -> ColumnElement[bool]:
        joined = product_category.c
        ids = select(joined.product_id).where(joined.category_id == category)
        return self.id.in_(ids.offset(0))


_FENCED = _Fenced(PRODUCT.id, PRODUCT.created_at, PRODUCT.name, PRODUCT.amount)
_KEYED = _Keyed(_KEY.c.product_id, _KEY.c.created_at, _KEY.c.name, _KEY.c.amount)


async def search(session: Session, listing: Listing, question: str) -> Sequence[UUID]:
    """The ids of a page of products that have the words of a question, in whatever order.

    One more than the page has if there is another page; a question without any word finds
    none. Raises `InvalidCursor`.
    """
    terms = _asked_for(words(question))
    if not terms:
        return ()
    for left in _filtered(listing):
        if (await session.scalars(_count(left))).one() <= FEW:
            return (await session.scalars(_among_few(listing, terms, left))).all()
    found = (await session.scalars(among_the_first(listing, terms))).all()
    if len(found) <= listing.limit:
        found = (await session.scalars(await among_all(session, listing, terms))).all()
    return found


def _asked_for(question: Sequence[str]) -> list[Term]:
    """The terms that a product must have for these words, the last one begun."""
    terms = []
    for word in question:
        if is_unspaced(word):
            terms += [Term(pair, begun=len(pair) == 1) for pair in pairs(word)]
        else:
            terms.append(Term(word[:LONGEST], begun=word is question[-1]))
    return terms


def _filtered(listing: Listing) -> Iterator[Select[UUID]]:
    """The ids that each filter leaves, read from its index."""
    if amounts := listing.amounts(PRODUCT):
        yield select(PRODUCT.id).where(*amounts)
    if listing.category is not None:
        joined = product_category.c
        yield select(joined.product_id).where(joined.category_id == listing.category)


def _count(ids: Select[UUID]) -> Select[int]:
    return select(func.count()).select_from(ids.limit(FEW + 1).subquery())


def _among_few(listing: Listing, terms: Sequence[Term], ids: Select[UUID]) -> Select[Any]:
    # A few more than there are, for there may be more by now.
    products = select(Product.__table__).where(PRODUCT.id.in_(ids)).limit(2 * FEW)
    return _among(products, listing, terms)


def among_the_first(listing: Listing, terms: Sequence[Term]) -> Select[Any]:
    """The page, if it finds more than a page."""
    products = select(Product.__table__)
    if listing.sort.endswith("price"):
        products = products.where(*listing.amounts(PRODUCT))
    return _among(listing.paged(products, most=FIRST * (listing.limit + 1)), listing, terms)


def _among(products: Select[Any], listing: Listing, terms: Sequence[Term]) -> Select[Any]:
    """Compare the terms of each of these products; their LIMIT keeps planners from another way."""
    # By the name of its table, for which the SQL of amounts is written.
    each = products.subquery("product").c
    listed = Listed(each.id, each.created_at, each.name, AMOUNT)
    theirs = " " + each.search_terms + " "
    has_terms = (theirs.contains(f" {term}{' ' * (not begun)}") for term, begun in terms)
    return listing.paged(select(listed.id).where(*has_terms, *listing.conditions(listed)), listed)


async def among_all(session: Session, listing: Listing, terms: Sequence[Term]) -> Select[Any]:
    """The page, sorted from all products that have the words."""
    if session.get_bind().dialect.name == "postgresql":
        return _postgresql(listing, terms)
    return _sqlite(listing, " AND ".join([await _match(session, term) for term in terms]))


# Letters, digits, marks and symbols alone: neither language has an operator among them.
async def _match(session: Session, term: Term) -> str:
    """What FTS5 is asked for a term.

    If few words begin like it they are named: those of a prefix it makes one list of, all of it
    before it tells the first.
    """
    if not term.begun:
        return f'"{term.text}"'
    begins = _WORD.between(term.text, term.text + LAST)
    words = (await session.scalars(select(_WORD).where(begins).limit(NAMED + 1))).all()
    if not 0 < len(words) <= NAMED:
        return f'"{term.text}"*'
    return "(" + " OR ".join(f'"{word}"' for word in words) + ")"


def _sqlite(listing: Listing, match: str) -> Select[Any]:
    matching = select(_KEYED.id).join_from(_FTS, _KEY, _FTS.c.rowid == _KEY.c.id)
    matching = matching.where(_FTS.c.product_search.op("MATCH")(match))
    return listing.paged(matching.where(*listing.conditions(_KEYED)), _KEYED)


def _postgresql(listing: Listing, terms: Sequence[Term]) -> Select[Any]:
    tsquery = " & ".join(f"'{term}'{':*' * begun}" for term, begun in terms)
    has_terms = literal_column(TSVECTOR).op("@@")(cast(literal(tsquery, Text()), TSQUERY))
    matching = select(PRODUCT.id, PRODUCT.created_at, PRODUCT.name, AMOUNT.label("amount"))
    # What has an OFFSET is answered by itself: the planner, who takes the test of a product's
    # terms for cheap, would test them all in the order of the page.
    found = matching.where(has_terms, *listing.conditions(_FENCED)).offset(0).subquery().c
    listed = Listed(found.id, found.created_at, found.name, found.amount)
    return listing.paged(select(listed.id), listed)


def is_modelled(_object: object, name: str | None, *_details: object) -> bool:
    """Tell Alembic not to compare with the models what only the migrations know."""
    return name not in {"ix_product_search_terms", "ix_product_price"} and not str(name).startswith(
        "product_search"
    )
