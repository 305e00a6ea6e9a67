"""Full-text search: products that have all words of a question, the last one begun.

Words are compared without their case and accents. What makes them findable is made by
the migrations, as no model can describe it for both databases: a generated column on
PostgreSQL, a table of FTS5 on SQLite.
"""

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, false
from sqlalchemy.ext.compiler import compiles

from heliograph.database import Condition

_WORD = re.compile(r"[^\W_]+")
_ACCENT = re.compile(r"[\u0300-\u036f]")


class _ProductHasWords(Condition):
    """The condition on `product`, with a question in the language of either database."""

    inherit_cache = True
    name = "product_has_words"


@compiles(_ProductHasWords, "postgresql")
def _postgresql(element: _ProductHasWords, compiler: Any, **options: Any) -> str:
    tsquery, _ = element.clauses
    return f"(product.words @@ to_tsquery('simple', {compiler.process(tsquery, **options)}))"


@compiles(_ProductHasWords, "sqlite")
def _sqlite(element: _ProductHasWords, compiler: Any, **options: Any) -> str:
    _, match = element.clauses
    return (
        # The question itself is a bound parameter.
        "(product.id IN (SELECT product_id FROM product_search_key WHERE id IN "  # noqa: S608
        "(SELECT rowid FROM product_search WHERE product_search MATCH "
        f"{compiler.process(match, **options)})))"
    )


def has_words(question: str) -> ColumnElement[bool]:
    """Whether a product has the words, in whatever order; a question without any finds none."""
    words = _WORD.findall(question)
    plain = _WORD.findall(_ACCENT.sub("", unicodedata.normalize("NFD", question)))
    if not words or not plain:
        return false()
    # Letters and digits alone: neither language has an operator among them.
    tsquery = " & ".join(plain) + ":*"
    match = " ".join(f'"{word}"' for word in words) + "*"
    return _ProductHasWords(
        bindparam(None, tsquery, type_=Text()), bindparam(None, match, type_=Text())
    )


def is_modelled(_object: object, name: str | None, *_details: object) -> bool:
    """Tell Alembic not to compare with the models what only the migrations know."""
    return name not in {"words", "ix_product_words"} and not str(name).startswith("product_search")
