"""Full-text search: products that have all words of a question, the last one begun.

Both databases are given terms that are folded already, by `terms` for the products and here
for the question, so that neither has a parser of its own say what a word is. What finds a
product by its terms is made by the migrations, as no model can describe it for both: an index
of an expression on PostgreSQL, a table of FTS5 on SQLite.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, false
from sqlalchemy.ext.compiler import compiles

from heliograph.database import Condition
from services.catalog.repositories.terms import LONGEST, is_unspaced, pairs, words

TSVECTOR = "array_to_tsvector(string_to_array(product.search_terms, ' '))"
"""What PostgreSQL has indexed; a condition must say it in the same words."""


class _ProductHasTerms(Condition):
    """The condition on `product`, with a question in the language of either database."""

    inherit_cache = True
    name = "product_has_terms"


@compiles(_ProductHasTerms, "postgresql")
def _postgresql(element: _ProductHasTerms, compiler: Any, **options: Any) -> str:
    tsquery, _ = element.clauses
    return f"({TSVECTOR} @@ CAST({compiler.process(tsquery, **options)} AS tsquery))"


@compiles(_ProductHasTerms, "sqlite")
def _sqlite(element: _ProductHasTerms, compiler: Any, **options: Any) -> str:
    _, match = element.clauses
    return (
        # The question itself is a bound parameter.
        "(product.id IN (SELECT product_id FROM product_search_key WHERE id IN "  # noqa: S608
        "(SELECT rowid FROM product_search WHERE product_search MATCH "
        f"{compiler.process(match, **options)})))"
    )


def has_words(question: str) -> ColumnElement[bool]:
    """Whether a product has the words, in whatever order; a question without any finds none."""
    asked = words(question)
    if not asked:
        return false()
    terms = [term for word in asked for term in _asked_for(word, is_last=word is asked[-1])]
    # Letters, digits, marks and symbols alone: neither language has an operator among them.
    tsquery = " & ".join(f"'{term}'{':*' * begun}" for term, begun in terms)
    match = " ".join(f'"{term}"{"*" * begun}' for term, begun in terms)
    return _ProductHasTerms(
        bindparam(None, tsquery, type_=Text()), bindparam(None, match, type_=Text())
    )


def _asked_for(word: str, *, is_last: bool) -> Sequence[tuple[str, bool]]:
    """The terms that a product must have for a word, and of which the beginning is enough."""
    if is_unspaced(word):
        return [(pair, len(pair) == 1) for pair in pairs(word)]
    return [(word[:LONGEST], is_last)]


def is_modelled(_object: object, name: str | None, *_details: object) -> bool:
    """Tell Alembic not to compare with the models what only the migrations know."""
    return name != "ix_product_search_terms" and not str(name).startswith("product_search")
